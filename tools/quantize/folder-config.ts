import { join } from "node:path";
import type { TensorSource } from "../checkpoint/source.ts";
import { traitsOf } from "../formats/dtypes.ts";
import { usageError } from "../lib/errors.ts";
import { type JsonMembers, readMembers } from "../lib/json-members.ts";
import { MAX_CONFIG_BYTES } from "../lib/limits.ts";
import { VERSION } from "../lib/package-root.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { compressedTensorsConfig } from "../model/compressed-tensors-config.ts";
import { parseConfig } from "../model/config.ts";
import { configMembers } from "../model/config-json.ts";
import { type MlxModule, mlxQuantization } from "../model/mlx-config.ts";
import { modelOptConfig } from "../model/modelopt-config.ts";
import { type OutputQuantization, outputConfig } from "../model/output-config.ts";
import { type OutputPlan, type PlannedTensor, plannedTensors } from "../plan/output-plan.ts";
import type { OutputFormat } from "../plan/recipe.ts";
import { F8_BLOCK, isScaled, MLX_GROUP, type ScaledStorage, type Storage } from "../plan/storage.ts";
import type { FolderFile } from "./folder-files.ts";

type FolderFormat = Exclude<OutputFormat, "gguf" | "ds4-gguf">;

/** The scaled storages that a format's configuration can name, those that trunk experts must have first. */
const NAMED: Readonly<
  Record<
    FolderFormat,
    { readonly experts: readonly ScaledStorage[]; readonly others: readonly ScaledStorage[] }
  >
> = {
  native: { experts: ["fp4", "fp8", "fp8_f32"], others: ["fp4", "fp8", "fp8_f32"] },
  nvfp4: { experts: ["nvfp4_groups"], others: ["fp4", "fp8", "fp8_f32"] },
  "compressed-tensors": { experts: ["int4_g32", "int4_g128"], others: ["fp4", "fp8", "fp8_f32"] },
  fp8: { experts: ["fp8_f32"], others: ["fp8", "fp8_f32"] },
  bf16: { experts: [], others: [] },
  mlx: { experts: [], others: ["mlx_mxfp4", "mlx_affine4", "mlx_affine8"] },
};

const MLX_MODES: Readonly<Partial<Record<Storage, Omit<MlxModule, "module">>>> = {
  mlx_mxfp4: { bits: 4, groupSize: 32, mode: "mxfp4" },
  mlx_affine4: { bits: 4, groupSize: MLX_GROUP, mode: "affine" },
  mlx_affine8: { bits: 8, groupSize: MLX_GROUP, mode: "affine" },
};

/**
 * config.json of an artefact, and what stands beside it. It follows from the plan alone: a plan that no configuration
 * can describe is refused here, before hours of work.
 */
export async function configFiles(source: TensorSource, plan: OutputPlan): Promise<FolderFile[]> {
  const members = await sourceMembers(source);
  const modules = modulesOf(plan);
  const drafter = modules.some((module) => module.drafter);
  const config = outputConfig(members, { quantization: quantizationOf(plan, modules), drafter });
  const files = [textFile("config.json", config)];
  if (plan.format === "nvfp4")
    files.push(
      jsonFile("hf_quant_config.json", modelOptConfig(named(modules, "nvfp4_groups"), `v4kit ${VERSION}`)),
    );
  return files;
}

async function sourceMembers(source: TensorSource): Promise<JsonMembers> {
  const own = await source.readSidecar("config.json", MAX_CONFIG_BYTES);
  if (!own) return configMembers(source.config);
  // It may have changed since the source was opened.
  const file = join(source.location, "config.json");
  parseConfig(parseStrictJson(own, file), file);
  return readMembers(new TextDecoder().decode(own));
}

export const textFile = (name: string, text: string): FolderFile => ({
  name,
  bytes: new TextEncoder().encode(text),
});
export const jsonFile = (name: string, value: unknown): FolderFile =>
  textFile(name, `${JSON.stringify(value, null, 2)}\n`);

/** A matrix as configurations name it. */
interface Module {
  readonly name: string;
  /** With `source` resolved. */
  readonly storage: Exclude<Storage, "source">;
  readonly drafter: boolean;
  /** A trunk expert. */
  readonly expert: boolean;
  /** A release has it in FP4 or FP8. */
  readonly scaled: boolean;
  readonly block?: readonly [number, number];
}

function modulesOf(plan: OutputPlan): Module[] {
  const modules: Module[] = [];
  for (const { tensor } of plannedTensors(plan)) {
    const { spec } = tensor.parts[0].entry;
    const module = {
      name: tensor.name.replace(/\.weight$/, ""),
      storage: resolved(tensor),
      drafter: spec.block.kind === "mtp",
      expert: spec.role === "expert" && spec.block.kind === "layer",
      scaled: spec.storage === "matrix" || spec.storage === "expert",
      ...blockOf(tensor),
    };
    checkNamed(plan, module);
    if (tensor.name.endsWith(".weight") && spec.shape.length === 2) modules.push(module);
  }
  return modules;
}

function resolved({ storage, parts }: PlannedTensor): Module["storage"] {
  const { format, scale } = parts[0].entry;
  if (storage !== "source") return storage;
  // INT4 groups are never kept as they are: the plan refuses it.
  return format === "fp8" && scale?.kind === "f32" ? "fp8_f32" : (format as Module["storage"]);
}

function blockOf({ storage, parts }: PlannedTensor): Pick<Module, "block"> {
  const { format, scale } = parts[0].entry;
  if (storage === "fp8" || storage === "fp8_f32") return { block: [F8_BLOCK, F8_BLOCK] };
  return storage === "source" && format === "fp8" && scale
    ? { block: [scale.blockRows, scale.blockCols] }
    : {};
}

function checkNamed({ format, recipe }: OutputPlan, { name, storage, expert }: Module): void {
  const { experts, others } = NAMED[format as FolderFormat];
  const allowed = expert && experts.length > 0 ? experts : others;
  const plain = !isScaled(storage) && traitsOf(storage).blockLength === 1;
  const fits = isScaled(storage) ? allowed.includes(storage) : plain && (!expert || experts.length === 0);
  if (!fits)
    throw usageError({
      what: `recipe ${recipe.name}: no loader of ${format} can be told of this storage`,
      tensor: name,
      expected: [...allowed, ...(expert && experts.length > 0 ? [] : ["plain numbers"])].join(" or "),
      found: storage,
    });
}

const named = (modules: readonly Module[], ...storages: readonly Storage[]): string[] =>
  modules.filter(({ storage }) => storages.includes(storage)).map(({ name }) => name);

function quantizationOf(plan: OutputPlan, modules: readonly Module[]): OutputQuantization {
  if (plan.format === "bf16") return { method: "none" };
  if (plan.format === "mlx")
    return {
      method: "mlx",
      config: mlxQuantization(
        modules.flatMap(({ name, storage }) => {
          const mode = MLX_MODES[storage];
          return mode ? [{ module: name, ...mode }] : [];
        }),
      ),
    };
  const experts = oneOf(
    plan,
    "the experts",
    new Set(modules.filter(({ expert }) => expert).map(({ storage }) => storage)),
  );
  const blocks = modules.flatMap(({ block }) => (block ? [block] : []));
  const shape = oneOf(plan, "the FP8 blocks", new Set(blocks.map((block) => block.join(" x "))));
  const block = shape === undefined ? undefined : blocks[0];
  if (plan.format === "compressed-tensors") return compressedTensors(modules, experts, block);
  return {
    method: "fp8",
    block,
    plain: modules.filter(({ scaled, storage }) => scaled && !isScaled(storage)).map(({ name }) => name),
    ...(plan.format === "nvfp4"
      ? // The trunk's experts go by the algorithm; the drafter's are FP4 still, and engines read them by this word.
        { moeAlgorithm: "NVFP4", expertDtype: "fp4" }
      : { expertDtype: experts === "fp4" ? "fp4" : "fp8" }),
  };
}

/** What one word in a configuration stands for can be one thing alone. */
function oneOf<T extends string>(
  { format, recipe }: OutputPlan,
  what: string,
  found: ReadonlySet<T>,
): T | undefined {
  if (found.size > 1)
    throw usageError({
      what: `recipe ${recipe.name}: loaders of ${format} take ${what} to be alike in every layer`,
      found: [...found].join(" and "),
    });
  return [...found][0];
}

function compressedTensors(
  modules: readonly Module[],
  experts: Storage | undefined,
  block: readonly [number, number] | undefined,
): OutputQuantization {
  const trunk = modules.filter(({ drafter }) => !drafter);
  return {
    method: "compressed-tensors",
    config: compressedTensorsConfig({
      int4: named(trunk, "int4_g32", "int4_g128"),
      int4Group: experts === "int4_g32" ? 32 : 128,
      fp8: named(trunk, "fp8", "fp8_f32"),
      fp8Block: block ?? [F8_BLOCK, F8_BLOCK],
      plain: trunk.filter(({ storage }) => !isScaled(storage)).map(({ name }) => name),
      drafter: trunk.length < modules.length,
    }),
  };
}
