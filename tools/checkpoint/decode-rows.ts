import type { DecodableFormat, Kernels } from "../../kernels/kernels.ts";
import type { Int4Matrix, MlxAffineMatrix } from "../../kernels/safetensors.ts";
import type { SourceFormat } from "../model/census.ts";
import type { ScaleKind } from "../model/scale-geometry.ts";

/** Consecutive stored rows of one tensor, as bytes in memory. */
export interface StoredRows {
  readonly format: SourceFormat;
  /** Values per row. */
  readonly cols: number;
  readonly weight: Uint8Array;
  readonly scale?: StoredScale;
  /** What multiplies every scale: an f32, see `globalFactor`. */
  readonly globalScale?: number;
  readonly zeroPoints?: StoredBlocks;
}

/** Rows of a tensor that has one for every `blockRows` rows of the weight. */
export interface StoredBlocks {
  readonly bytes: Uint8Array;
  readonly blockRows: number;
  /** Row of the source matrix, relative to the first scale row given, at which the rows begin. */
  readonly firstRow: number;
}

export interface StoredScale extends StoredBlocks {
  readonly kind: ScaleKind;
  readonly blockCols: number;
}

/** Some of the rows, as views on the same bytes. */
export function sliceRows(stored: StoredRows, totalRows: number, first: number, count: number): StoredRows {
  const { weight, scale, zeroPoints } = stored;
  const rowBytes = weight.length / totalRows;
  const slice = <T extends StoredBlocks>(blocks: T): T => {
    const { bytes, blockRows, firstRow } = blocks;
    const blockBytes = bytes.length / Math.ceil((firstRow + totalRows) / blockRows);
    const from = Math.floor((firstRow + first) / blockRows);
    const to = Math.ceil((firstRow + first + count) / blockRows);
    return {
      ...blocks,
      bytes: bytes.subarray(from * blockBytes, to * blockBytes),
      firstRow: firstRow + first - from * blockRows,
    };
  };
  return {
    ...stored,
    weight: weight.subarray(first * rowBytes, (first + count) * rowBytes),
    ...(scale && { scale: slice(scale) }),
    ...(zeroPoints && { zeroPoints: slice(zeroPoints) }),
  };
}

/** A value that may not be there, by its position: element of the rows, or scale of the scales given. */
export interface RowsFault {
  readonly kind:
    | "nan-code"
    | "reserved-scale"
    | "bad-scale"
    | "nan-scale"
    | "bad-global-scale"
    | "non-finite"
    | "too-large"
    | "expert-id";
  readonly index: number;
}

export interface DecodeResult {
  readonly fault?: RowsFault;
  /** False where f32 could not hold the products of codes and scales exactly. */
  readonly exact: boolean;
}

/**
 * A global scale from its four bytes, as the factor that the kernels take. A divisor is inverted in f32, exactly if it is
 * a power of two. What is no scale gives a number that `decodeRows` refuses.
 */
export function globalFactor(bytes: Uint8Array, divides: boolean): number {
  const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
  return divides ? Math.fround(1 / value) : value;
}

/** Decodes stored rows of any format to f32 `[rows, cols]`. */
export function decodeRows(kernels: Kernels, rows: StoredRows, target: Float32Array): DecodeResult {
  const { format, weight, scale } = rows;
  if (format === "fp4" && scale)
    return found("reserved-scale", kernels.decodeFp4(weight, scale.bytes, target));
  if (format === "fp8" && scale) return decodeFp8(kernels, rows, scale, target);
  if (format === "nvfp4_groups" && scale) return decodeNvfp4(kernels, rows, scale, target);
  if (format === "int4_groups" && scale)
    return found("nan-scale", kernels.decodeInt4(int4Matrix(rows, scale), target));
  if ((format === "mlx_affine4" || format === "mlx_affine8") && scale)
    return found("nan-scale", kernels.decodeMlxAffine(mlxMatrix(rows, scale), target));
  return found("reserved-scale", kernels.decode(format as DecodableFormat, weight, target));
}

function decodeFp8(
  kernels: Kernels,
  { cols, weight }: StoredRows,
  scale: StoredScale,
  target: Float32Array,
): DecodeResult {
  const { kind, bytes, blockRows, blockCols, firstRow } = scale;
  const values = kind === "f32" ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : bytes;
  const bad =
    values instanceof Float32Array ? values.findIndex((value) => !isPositive(value)) : values.indexOf(255);
  if (bad >= 0) return found(kind === "f32" ? "bad-scale" : "reserved-scale", bad);
  const result = found(
    "nan-code",
    kernels.decodeF8(weight, cols, { values, blockRows, blockCols, firstRow }, target),
  );
  // A 4-bit significand times an F32 scale is exact in f32 when the scale is a power of two.
  return { ...result, exact: !(values instanceof Float32Array) || values.every(isPowerOfTwo) };
}

/** Below this the least product of a code and an E4M3 scale, 2^-1 * 2^-9, is no multiple of the least f32. */
const LEAST_EXACT = 2 ** -139;

function decodeNvfp4(
  kernels: Kernels,
  { weight, globalScale = Number.NaN }: StoredRows,
  { bytes }: StoredScale,
  target: Float32Array,
): DecodeResult {
  if (!isPositive(globalScale)) return found("bad-global-scale", 0);
  const result = found("nan-scale", kernels.decodeNvfp4Groups(weight, bytes, globalScale, target));
  return { ...result, exact: isPowerOfTwo(globalScale) && globalScale >= LEAST_EXACT };
}

function int4Matrix({ cols, weight, zeroPoints }: StoredRows, scale: StoredScale): Int4Matrix {
  return {
    rowLength: cols,
    group: scale.blockCols as Int4Matrix["group"],
    packed: weight,
    scaleFormat: scale.kind as Int4Matrix["scaleFormat"],
    scales: scale.bytes,
    ...(zeroPoints && {
      zeroPoints: alignZeroPoints(zeroPoints, (2 * weight.length) / cols, cols / scale.blockCols),
    }),
  };
}

const mlxMatrix = (
  { format, cols, weight, zeroPoints }: StoredRows,
  scale: StoredScale,
): MlxAffineMatrix => ({
  rowLength: cols,
  group: scale.blockCols as MlxAffineMatrix["group"],
  bits: format === "mlx_affine4" ? 4 : 8,
  packed: weight,
  scales: scale.bytes,
  biases: zeroPoints?.bytes ?? new Uint8Array(),
});

/** Eight rows share a word, and rows may begin within one: the kernel's begin with one. */
function alignZeroPoints({ bytes, firstRow }: StoredBlocks, rows: number, rowGroups: number): Uint8Array {
  if (firstRow === 0) return bytes;
  const placeOf = (row: number, g: number): [number, number] => [
    4 * ((row >> 3) * rowGroups + g) + ((row & 7) >> 1),
    4 * (row & 1),
  ];
  const aligned = new Uint8Array(4 * Math.ceil(rows / 8) * rowGroups);
  for (let row = 0; row < rows; row++)
    for (let g = 0; g < rowGroups; g++) {
      const [from, right] = placeOf(firstRow + row, g);
      const [to, left] = placeOf(row, g);
      aligned[to] |= ((bytes[from] >> right) & 15) << left;
    }
  return aligned;
}

const found = (kind: RowsFault["kind"], index: number): DecodeResult =>
  index < 0 ? { exact: true } : { fault: { kind, index }, exact: true };

const isPositive = (value: number): boolean => value > 0 && value < Number.POSITIVE_INFINITY;
const isPowerOfTwo = (value: number): boolean => 2 ** Math.round(Math.log2(value)) === value;
