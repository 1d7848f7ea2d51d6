import { byteLengthOf, DTYPES, type Dtype, traitsOf } from "../formats/dtypes.ts";
import { elementCount } from "../lib/shape.ts";

/**
 * How a matrix can be stored: as elements or blocks of one dtype, or as codes with tensors of scales beside them. A
 * recipe names these; the plan turns each into the tensors of a file.
 *
 * `source`: the stored bytes as they are. `fp4`, `fp8`: as in the official release. `fp8_f32`: with F32 scales, as in
 * Base releases. `nvfp4_groups`: ModelOpt. `int4_g32`, `int4_g128`: compressed-tensors. `mlx_*`: MLX.
 */
export type ScaledStorage =
  | "fp4"
  | "fp8"
  | "fp8_f32"
  | "nvfp4_groups"
  | "int4_g32"
  | "int4_g128"
  | "mlx_mxfp4"
  | "mlx_affine4"
  | "mlx_affine8";
export type Storage = Dtype | ScaledStorage | "source";

/** What a stored tensor holds of its matrix. `constant`: bytes that do not depend on the values. */
export type Piece = "codes" | "scales" | "biases" | "global" | "constant";

export interface StoragePiece {
  readonly piece: Piece;
  /** Appended to the matrix's name without `.weight`. */
  readonly suffix: string;
  readonly dtype: Dtype;
  /** Values of the matrix that one element stands for, along rows and columns; undefined where it has a shape of its own. */
  readonly per?: readonly [rows: number, cols: number];
  readonly shape?: readonly number[];
}

const codes = (dtype: Dtype, cols: number, suffix = ".weight"): StoragePiece => ({
  piece: "codes",
  suffix,
  dtype,
  per: [1, cols],
});
const scales = (suffix: string, dtype: Dtype, rows: number, cols: number): StoragePiece => ({
  piece: "scales",
  suffix,
  dtype,
  per: [rows, cols],
});
const mlxAffine = (bits: 4 | 8): readonly StoragePiece[] => [
  codes("u32", 32 / bits),
  scales(".scales", "bf16", 1, MLX_GROUP),
  { ...scales(".biases", "bf16", 1, MLX_GROUP), piece: "biases" },
];
const int4 = (group: number): readonly StoragePiece[] => [
  codes("i32", 8, ".weight_packed"),
  scales(".weight_scale", "bf16", 1, group),
  { piece: "constant", suffix: ".weight_shape", dtype: "i64", shape: [2] },
];

/** Rows and columns of an FP8 block in every output. */
export const F8_BLOCK = 128;
export const MLX_GROUP = 64;

/** The tensors of every storage that has scales, codes first. */
export const SCALED_STORAGE: Readonly<Record<ScaledStorage, readonly StoragePiece[]>> = {
  fp4: [codes("i8", 2), scales(".scale", "F8_E8M0", 1, 32)],
  fp8: [codes("F8_E4M3", 1), scales(".scale", "F8_E8M0", F8_BLOCK, F8_BLOCK)],
  fp8_f32: [codes("F8_E4M3", 1), scales(".scale", "f32", F8_BLOCK, F8_BLOCK)],
  nvfp4_groups: [
    codes("u8", 2),
    scales(".weight_scale", "F8_E4M3", 1, 16),
    { piece: "global", suffix: ".weight_scale_2", dtype: "f32", shape: [] },
    { piece: "constant", suffix: ".input_scale", dtype: "f32", shape: [] },
  ],
  int4_g32: int4(32),
  int4_g128: int4(128),
  mlx_mxfp4: [codes("u32", 8), scales(".scales", "u8", 1, 32)],
  mlx_affine4: mlxAffine(4),
  mlx_affine8: mlxAffine(8),
};

export const isScaled = (storage: Storage): storage is ScaledStorage => storage in SCALED_STORAGE;
export const isStorage = (name: string): name is Storage =>
  name === "source" || name in SCALED_STORAGE || DTYPES.has(name as Dtype);

/** One tensor to be stored, row-major. */
export interface OutputTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly piece: Piece;
  /** Rows of the matrix that share a row of this tensor; 0 where the tensor is no function of rows. */
  readonly rowsPerUnit: number;
}

/** Bytes of a tensor's data. */
export const tensorBytes = ({ dtype, shape }: Pick<OutputTensor, "dtype" | "shape">): number =>
  byteLengthOf(dtype, elementCount(shape) as number);

/** Bytes of the part of a stored tensor that `rows` rows of its matrix fill, from a row that begins a unit. */
export function bytesOfRows({ dtype, shape, rowsPerUnit }: OutputTensor, rows: number): number {
  if (rowsPerUnit === 0) return 0;
  const width = shape.length === 1 ? shape[0] : (shape.at(-1) as number);
  return byteLengthOf(dtype, width) * Math.ceil(rows / rowsPerUnit);
}

/**
 * The tensors that store a matrix of logical shape `shape` (`[..., out, in]`) under `name`, which ends in `.weight`
 * where there are several.
 */
export function tensorsOf(
  storage: Exclude<Storage, "source">,
  name: string,
  shape: readonly number[],
): OutputTensor[] {
  if (!isScaled(storage)) return [{ name, dtype: storage, shape, piece: "codes", rowsPerUnit: 1 }];
  const stem = name.replace(/\.weight$/, "");
  const lead = shape.slice(0, -2);
  const [out, in_] = shape.slice(-2);
  return SCALED_STORAGE[storage].map(({ piece, suffix, dtype, per, shape: own }) => ({
    name: stem + suffix,
    dtype,
    piece,
    shape: per ? [...lead, Math.ceil(out / per[0]), Math.ceil(in_ / per[1])] : (own as readonly number[]),
    rowsPerUnit: per?.[0] ?? 0,
  }));
}

/** What the columns of a matrix must divide into to be stored so. */
export function columnUnit(storage: Storage): number {
  if (storage === "source" || storage === "fp8" || storage === "fp8_f32") return 1;
  if (!isScaled(storage)) return traitsOf(storage).blockLength;
  return Math.max(...SCALED_STORAGE[storage].map(({ per }) => per?.[1] ?? 1));
}
