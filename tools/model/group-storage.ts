import { dataError } from "../lib/errors.ts";
import { formatShape } from "../lib/shape.ts";
import type { CensusEntry } from "./census.ts";
import { expectDtype, expectShape } from "./expect.ts";
import type { TensorSpec } from "./inventory.ts";
import { groupGeometry, nvfp4Geometry } from "./scale-geometry.ts";
import type { StoredTensor } from "./stored-tensor.ts";

/** One F32 factor of all the group scales of a tensor. */
export interface GlobalScale {
  readonly tensor: StoredTensor;
  /** compressed-tensors stores the inverse of what ModelOpt stores: group scales are divided by it. */
  readonly divides: boolean;
}

/**
 * Where the codes' zero lies: of INT4 as 4-bit codes, a word for eight rows `[ceil(out / 8), in / group]`; of MLX as the
 * BF16 value of code 0, its bias, `[out, in / group]`.
 */
export interface ZeroPoints {
  readonly tensor: StoredTensor;
  readonly blockRows: 1 | 8;
}

type Tensors = ReadonlyMap<string, StoredTensor>;
type Storage = Omit<CensusEntry, "spec">;

/**
 * A matrix `[out, in]` as ModelOpt stores NVFP4 (`X.weight` U8) or as compressed-tensors packs NVFP4 and INT4
 * (`X.weight_packed` U8 or I32), by names and dtypes of its own tensors alone: each tensor of a checkpoint may be
 * stored in another way, whatever its configuration says. Undefined if it is stored in neither.
 */
export function groupStorage(spec: TensorSpec, tensors: Tensors): Storage | undefined {
  const weight = tensors.get(spec.name);
  // MLX may hold embedding and head in groups too.
  if (weight?.dtype === "u32") return mlxAffine(spec, weight, tensors);
  if (spec.storage !== "matrix" && spec.storage !== "expert") return undefined;
  const packed = tensors.get(`${spec.name}_packed`);
  if (weight && packed)
    throw dataError({
      what: "the matrix is stored twice",
      file: packed.file,
      tensor: packed.name,
      found: weight.name,
    });
  if (weight?.dtype === "u8") return modeloptNvfp4(spec, weight, tensors);
  if (!packed) return undefined;
  expectDtype(packed, "i32", "u8");
  return packed.dtype === "i32" ? packedInt4(spec, packed, tensors) : packedNvfp4(spec, packed, tensors);
}

/** Names of tensors that only such storage has: one that is left over has lost its weight. */
export const isCompanionName = (name: string): boolean =>
  /\.(weight_(scale|scale_2|global_scale|shape|zero_point)|input_scale|input_global_scale)$/.test(name);

function modeloptNvfp4(spec: TensorSpec, weight: StoredTensor, tensors: Tensors): Storage {
  const global = partner(spec, weight, "weight_scale_2", tensors);
  return nvfp4(spec, weight, { tensor: global, divides: false }, "input_scale", tensors);
}

function packedNvfp4(spec: TensorSpec, packed: StoredTensor, tensors: Tensors): Storage {
  const global = partner(spec, packed, "weight_global_scale", tensors);
  return nvfp4(spec, packed, { tensor: global, divides: true }, "input_global_scale", tensors);
}

function nvfp4(
  spec: TensorSpec,
  weight: StoredTensor,
  globalScale: GlobalScale,
  inputScaleName: string,
  tensors: Tensors,
): Storage {
  const [out, in_] = spec.shape;
  expectShape(weight, [out, in_ / 2]);
  const scale = nvfp4Geometry(spec.shape, partner(spec, weight, "weight_scale", tensors));
  // For activations in 4 bits, which is an engine's business. Weight-only checkpoints have none.
  const inputScale = tensors.get(partnerName(spec, inputScaleName));
  const companions = inputScale ? [globalScale.tensor, inputScale] : [globalScale.tensor];
  for (const tensor of companions) expectScalar(tensor);
  return { format: "nvfp4_groups", weight, scale, globalScale, companions };
}

function packedInt4(spec: TensorSpec, weight: StoredTensor, tensors: Tensors): Storage {
  const [out, in_] = spec.shape;
  expectShape(weight, [out, in_ / 8]);
  const scale = groupGeometry(spec.shape, partner(spec, weight, "weight_scale", tensors));
  const statedShape = partner(spec, weight, "weight_shape", tensors);
  expectDtype(statedShape, "i64");
  expectShape(statedShape, [2]);
  if (tensors.has(partnerName(spec, "weight_g_idx")))
    throw dataError({
      what: "INT4 groups in activation order are not supported",
      file: weight.file,
      tensor: partnerName(spec, "weight_g_idx"),
      expected: "actorder null",
    });
  const zeroPoints = tensors.get(partnerName(spec, "weight_zero_point"));
  if (!zeroPoints) return { format: "int4_groups", weight, scale, statedShape, companions: [statedShape] };
  expectDtype(zeroPoints, "i32");
  expectShape(zeroPoints, [Math.ceil(out / 8), in_ / scale.blockCols]);
  return {
    format: "int4_groups",
    weight,
    scale,
    statedShape,
    zeroPoints: { tensor: zeroPoints, blockRows: 8 },
    companions: [statedShape, zeroPoints],
  };
}

function mlxAffine(spec: TensorSpec, weight: StoredTensor, tensors: Tensors): Storage {
  const [out, in_] = spec.shape;
  const bits = (32 * (weight.shape[1] ?? 0)) / in_;
  if (spec.shape.length !== 2 || (bits !== 4 && bits !== 8))
    throw dataError({
      what: "the words are no matrix in 4 or 8 bits",
      file: weight.file,
      tensor: weight.name,
      expected: `${formatShape([out, in_ / 8])} or ${formatShape([out, in_ / 4])}`,
      found: formatShape(weight.shape),
    });
  expectShape(weight, [out, (in_ * bits) / 32]);
  const stem = spec.name.replace(/\.weight$/, "");
  const [scales, biases] = ["scales", "biases"].map((kind) => {
    const found = tensors.get(`${stem}.${kind}`);
    if (!found)
      throw dataError({
        what: `the MLX weight has no ${kind}`,
        file: weight.file,
        tensor: weight.name,
        expected: `a tensor ${stem}.${kind}`,
      });
    expectDtype(found, "bf16");
    return found;
  });
  const scale = groupGeometry(spec.shape, scales);
  expectShape(biases, scales.shape);
  const zeroPoints = { tensor: biases, blockRows: 1 } as const;
  return { format: `mlx_affine${bits}`, weight, scale, zeroPoints, companions: [biases] };
}

const partnerName = ({ name }: TensorSpec, suffix: string): string => name.replace(/weight$/, suffix);

function partner(spec: TensorSpec, weight: StoredTensor, suffix: string, tensors: Tensors): StoredTensor {
  const name = partnerName(spec, suffix);
  const found = tensors.get(name);
  if (!found)
    throw dataError({
      what: `the ${weight.dtype === "i32" ? "INT4" : "NVFP4"} weight has no ${suffix}`,
      file: weight.file,
      tensor: weight.name,
      expected: `a tensor ${name}`,
    });
  return found;
}

/** ModelOpt writes scalars of shape [], compressed-tensors of shape [1]. */
function expectScalar(tensor: StoredTensor): void {
  expectDtype(tensor, "f32");
  if (tensor.shape.length > 0) expectShape(tensor, [1]);
}
