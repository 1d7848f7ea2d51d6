import { dataError, usageError } from "../lib/errors.ts";
import type { Census } from "../model/census.ts";
import { refuseLarger } from "./exactness.ts";
import { planGgufFiles } from "./gguf-plan.ts";
import { planMlxFiles } from "./mlx-plan.ts";
import { type MtpChoice, type OutputPlan, type PlannedFile, sourceNames } from "./output-plan.ts";
import { isGguf, type OutputFormat, type Recipe } from "./recipe.ts";
import { planSafetensorsFiles, splitShards } from "./safetensors-plan.ts";

export interface PlanChoice {
  readonly recipe: Recipe;
  readonly format: OutputFormat;
  /** Left out: a sidecar in GGUF, kept in safetensors, dropped for MLX, which has no place for it. */
  readonly mtp?: MtpChoice | undefined;
  /** No file is larger, unless one matrix is. Left out: one GGUF; shards of a block each. */
  readonly splitBytes?: number | undefined;
  /** Let tensors become larger and worse than they would be passed through. */
  readonly allowLarger?: boolean | undefined;
}

/** Decides what every tensor of a checkpoint becomes, from headers alone. */
export function planOutput(census: Census, choice: PlanChoice): OutputPlan {
  const { recipe, format } = choice;
  if (!recipe.formats.includes(format))
    throw usageError({
      what: `recipe ${recipe.name} cannot be written as ${format}`,
      expected: recipe.formats.join(" or "),
    });
  refuseMixedExperts(census);
  const mtp = choice.mtp ?? (isGguf(format) ? "sidecar" : format === "mlx" ? "drop" : "keep");
  const splitBytes = choice.splitBytes ?? Number.POSITIVE_INFINITY;
  const files = isGguf(format)
    ? splitGguf(planGgufFiles(census, { recipe, format, mtp }), format, choice.splitBytes)
    : format === "mlx"
      ? planMlxFiles(census, { recipe, format, mtp, splitBytes })
      : planSafetensorsFiles(census, { recipe, format, mtp, splitBytes });
  const plan: OutputPlan = { recipe, format, mtp, files, dropped: droppedNames(census, mtp), census };
  if (!choice.allowLarger) refuseLarger(plan);
  return plan;
}

/** The experts of a layer are one thing to every engine: stored in two ways, one of them would be read wrong. */
function refuseMixedExperts({ entries }: Census): void {
  const first = new Map<string, (typeof entries)[number]>();
  for (const entry of entries) {
    const { role, part, block } = entry.spec;
    if (role !== "expert" || block.kind === "root") continue;
    const key = `${block.kind}.${block.index}.${part}`;
    const other = first.get(key);
    if (other === undefined) first.set(key, entry);
    else if (other.format !== entry.format)
      throw dataError({
        what: "the experts of one layer are stored in different formats",
        file: entry.weight.file,
        tensor: entry.spec.name,
        expected: `${other.format}, as ${other.spec.name}`,
        found: entry.format,
        next: "fetch the checkpoint again",
      });
  }
}

function droppedNames({ entries, unrecognised }: Census, mtp: MtpChoice): string[] {
  if (mtp !== "drop") return [];
  const drafter = entries.filter(({ spec }) => spec.block.kind === "mtp");
  return [...drafter.flatMap(sourceNames), ...unrecognised.map(({ name }) => name)];
}

/** A split GGUF keeps the order of its tensors; the sidecar stays whole. */
function splitGguf(
  files: PlannedFile[],
  format: OutputFormat,
  splitBytes: number | undefined,
): PlannedFile[] {
  if (splitBytes === undefined) return files;
  if (format === "ds4-gguf")
    throw usageError({
      what: "ds4 opens one file: a ds4-gguf cannot be split",
      next: "leave --split-size out",
    });
  const [model, ...rest] = files;
  const shards = splitShards(model.tensors, splitBytes);
  return [
    ...shards.map(
      (tensors, i): PlannedFile => ({
        kind: "model",
        name: splitName(i + 1, shards.length),
        tensors,
        split: { number: i, count: shards.length },
      }),
    ),
    ...rest,
  ];
}

const splitName = (number: number, count: number): string =>
  `model-${String(number).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`;
