import { type Dtype, traitsOf } from "../formats/dtypes.ts";
import { dataError } from "../lib/errors.ts";
import type { ModelConfig } from "./config.ts";
import { expectShape } from "./expect.ts";
import { type GlobalScale, groupStorage, isCompanionName, type ZeroPoints } from "./group-storage.ts";
import { type Drafter, inventory, type TensorSpec } from "./inventory.ts";
import { refuseTransformersNames } from "./names.ts";
import { fp4Geometry, fp8Geometry, type ScaleGeometry } from "./scale-geometry.ts";
import type { StoredTensor } from "./stored-tensor.ts";

/**
 * What a weight's values are. `fp4` and `fp8` are codes with a scale tensor; `nvfp4_groups` and `int4_groups` (as ModelOpt
 * and compressed-tensors store them) and MLX's affine groups have more tensors beside it; the rest stand alone, ggml's `nvfp4` blocks too.
 */
export type SourceFormat =
  | "fp4"
  | "fp8"
  | "nvfp4_groups"
  | "int4_groups"
  | "mlx_affine4"
  | "mlx_affine8"
  | Exclude<Dtype, "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "u8" | "bool">;

/** One tensor of the model, found, paired with its scale and checked. */
export interface CensusEntry {
  readonly spec: TensorSpec;
  readonly format: SourceFormat;
  readonly weight: StoredTensor;
  readonly scale?: ScaleGeometry;
  readonly globalScale?: GlobalScale;
  readonly zeroPoints?: ZeroPoints;
  /** I64 `[2]`: the shape that the checkpoint says the matrix has. */
  readonly statedShape?: StoredTensor;
  /** The stored tensors beyond weight and scale: those named above, and what only engines use. */
  readonly companions: readonly StoredTensor[];
}

/** Every stored tensor that an entry stands for, the weight first. */
export const storedTensors = ({ weight, scale, companions }: CensusEntry): readonly StoredTensor[] => [
  weight,
  ...(scale ? [scale.tensor] : []),
  ...companions,
];

/** Every tensor of a checkpoint, classified. */
export interface Census {
  readonly config: ModelConfig;
  readonly drafter: Drafter;
  readonly entries: readonly CensusEntry[];
  /** Tensors under `mtp.` that no known drafter has. */
  readonly unrecognised: readonly StoredTensor[];
}

/**
 * Classifies every tensor from headers alone: an unknown name, dtype or shape, a missing tensor or scale stops here.
 * `location` names the checkpoint in messages.
 */
export function takeCensus(
  config: ModelConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
  location: string,
): Census {
  refuseTransformersNames(tensors.keys(), location);
  const drafter = detectDrafter(tensors, config, location);
  const entries: CensusEntry[] = [];
  const known = new Set<string>();
  for (const spec of inventory(config, drafter)) {
    const groups = groupStorage(spec, tensors);
    const entry = groups
      ? { spec, ...groups }
      : classify(spec, findWeight(spec, tensors, location), tensors, config);
    for (const { name } of storedTensors(entry)) known.add(name);
    entries.push(entry);
  }
  const unrecognised: StoredTensor[] = [];
  for (const [name, tensor] of tensors) {
    if (known.has(name)) continue;
    if (name.startsWith("mtp.")) unrecognised.push(tensor);
    else throw unknownTensor(tensor);
  }
  return { config, drafter, entries, unrecognised };
}

/** `X.weight` pairs with `X.scale`. Note that `hc_attn_scale` ends in `_scale` and is no partner of anything. */
export const scaleName = (name: string): string => name.replace(/\.weight$/, ".scale");

function detectDrafter(
  tensors: ReadonlyMap<string, StoredTensor>,
  config: ModelConfig,
  location: string,
): Drafter {
  // num_nextn_predict_layers is 1 in releases that ship three DSpark blocks: only the names tell.
  if (tensors.has("mtp.0.main_proj.weight")) {
    if (!config.dspark)
      throw dataError({
        what: "DSpark tensors (mtp.0.main_proj) but no dspark_* keys in config.json",
        file: location,
        next: "use the config.json of the same release",
      });
    return "dspark";
  }
  return tensors.has("mtp.0.e_proj.weight") ? "mtp" : "none";
}

function findWeight(
  spec: TensorSpec,
  tensors: ReadonlyMap<string, StoredTensor>,
  location: string,
): StoredTensor {
  const weight = tensors.get(spec.name);
  if (!weight)
    throw dataError({ what: `the checkpoint lacks ${describe(spec)}`, file: location, tensor: spec.name });
  return weight;
}

const NONE: readonly StoredTensor[] = [];

function classify(
  spec: TensorSpec,
  weight: StoredTensor,
  tensors: ReadonlyMap<string, StoredTensor>,
  config: ModelConfig,
): CensusEntry {
  const scale = spec.name.endsWith(".weight") ? tensors.get(scaleName(spec.name)) : undefined;
  const packed = spec.storage === "expert" && weight.dtype === "i8";
  const [out, in_] = spec.shape;
  expectShape(weight, packed ? [out, in_ / 2] : spec.shape);
  const scaled =
    packed || ((spec.storage === "matrix" || spec.storage === "expert") && weight.dtype === "F8_E4M3");
  if (!scaled) {
    if (scale)
      throw dataError({
        what: `a scale for a weight of dtype ${weight.dtype}, which has none`,
        file: scale.file,
        tensor: scale.name,
      });
    return { spec, format: plainFormat(spec, weight), weight, companions: NONE };
  }
  if (!scale)
    throw dataError({
      what: `the ${packed ? "FP4" : "FP8"} weight has no scale`,
      file: weight.file,
      tensor: weight.name,
      expected: `a tensor ${scaleName(weight.name)}`,
    });
  return packed
    ? { spec, format: "fp4", weight, scale: fp4Geometry(spec.shape, scale), companions: NONE }
    : { spec, format: "fp8", weight, scale: fp8Geometry(weight, scale, config.fp8Block), companions: NONE };
}

const PLAIN: Readonly<Record<TensorSpec["storage"], readonly SourceFormat[]>> = {
  matrix: ["bf16", "f16", "f32"],
  expert: ["bf16", "f16", "f32"],
  float: ["bf16", "f16", "f32"],
  // ds4 demands F16 of mHC functions and ape.
  f32: ["f32", "f16"],
  table: ["i64", "i32"],
};

const SCALED: Readonly<Partial<Record<TensorSpec["storage"], string>>> = {
  matrix: "F8_E4M3, U8 (NVFP4), ",
  expert: "I8 (packed FP4), F8_E4M3, U8 (NVFP4), ",
};

function plainFormat(spec: TensorSpec, weight: StoredTensor): SourceFormat {
  const allowed = PLAIN[spec.storage];
  const blocks = spec.storage !== "f32" && spec.storage !== "table" && traitsOf(weight.dtype).blockLength > 1;
  const format = blocks
    ? (weight.dtype as SourceFormat)
    : allowed.find((candidate) => candidate === weight.dtype);
  if (!format)
    throw dataError({
      what: `wrong dtype for ${describe(spec)}`,
      file: weight.file,
      tensor: weight.name,
      expected: `${SCALED[spec.storage] ?? ""}${allowed.map((name) => name.toUpperCase()).join(", ")}`,
      found: weight.dtype.toUpperCase(),
    });
  return format;
}

function unknownTensor(tensor: StoredTensor): Error {
  return dataError({
    what: tensor.name.endsWith(".scale")
      ? "a scale without a weight that needs it"
      : isCompanionName(tensor.name)
        ? "a scale, shape or zero point without a packed weight that needs it"
        : "unknown tensor: no part of DeepSeek-V4 has this name",
    file: tensor.file,
    tensor: tensor.name,
    next: "v4kit converts every tensor or none: nothing is dropped silently",
  });
}

function describe({ role, part, block }: TensorSpec): string {
  const what = role === part ? role : `${role} ${part}`;
  return block.kind === "root"
    ? what
    : `${what} of ${block.kind === "mtp" ? "drafter block" : "layer"} ${block.index}`;
}
