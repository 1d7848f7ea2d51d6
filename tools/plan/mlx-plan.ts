import { usageError } from "../lib/errors.ts";
import type { Census } from "../model/census.ts";
import { mlxName } from "../model/mlx-names.ts";
import { planTensor, stacksOf } from "./gguf-plan.ts";
import type { PlannedFile, PlannedTensor } from "./output-plan.ts";
import { nameShards, type SafetensorsChoice, splitShards } from "./safetensors-plan.ts";

/** Plans a folder for MLX: its own module names, experts stacked, a shard per layer; it has no place for a drafter. */
export function planMlxFiles(census: Census, { recipe, mtp, splitBytes }: SafetensorsChoice): PlannedFile[] {
  if (mtp !== "drop")
    throw usageError({ what: "MLX has no place for the drafter block", next: "say --mtp drop" });
  const { layerCount } = census.config;
  const trunk = census.entries.filter(({ spec }) => spec.block.kind !== "mtp");
  const blocks = new Map<number, PlannedTensor[]>();
  for (const [name, stack] of stacksOf(trunk, ({ spec }) => mlxName(spec) as string)) {
    const { block } = stack[0].spec;
    const index = block.kind === "root" ? -1 : block.index;
    const tensors = blocks.get(index) ?? [];
    tensors.push(planTensor(name, stack, { recipe, format: "mlx", layerCount }));
    blocks.set(index, tensors);
  }
  return nameShards([...blocks.values()].flatMap((tensors) => splitShards(tensors, splitBytes)));
}
