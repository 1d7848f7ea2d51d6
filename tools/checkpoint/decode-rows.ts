import type { DecodableFormat, Kernels } from "../../kernels/kernels.ts";
import type { SourceFormat } from "../model/census.ts";

/** Consecutive stored rows of one tensor, as bytes in memory. */
export interface StoredRows {
  readonly format: SourceFormat;
  /** Values per row. */
  readonly cols: number;
  readonly weight: Uint8Array;
  readonly scale?: StoredScale;
}

export interface StoredScale {
  readonly kind: "e8m0" | "f32";
  readonly bytes: Uint8Array;
  readonly blockRows: number;
  readonly blockCols: number;
  /** Row of the source matrix, relative to the first scale row given, at which the rows begin. */
  readonly firstRow: number;
}

/** Some of the rows, as views on the same bytes. */
export function sliceRows(stored: StoredRows, totalRows: number, first: number, count: number): StoredRows {
  const { weight, scale } = stored;
  const rowBytes = weight.length / totalRows;
  const part = { ...stored, weight: weight.subarray(first * rowBytes, (first + count) * rowBytes) };
  if (!scale) return part;
  const scaleRows = Math.ceil((scale.firstRow + totalRows) / scale.blockRows);
  const scaleBytes = scale.bytes.length / scaleRows;
  const from = Math.floor((scale.firstRow + first) / scale.blockRows);
  const to = Math.ceil((scale.firstRow + first + count) / scale.blockRows);
  return {
    ...part,
    scale: {
      ...scale,
      bytes: scale.bytes.subarray(from * scaleBytes, to * scaleBytes),
      firstRow: scale.firstRow + first - from * scale.blockRows,
    },
  };
}

/** A value that may not be there, by its position: element of the rows, or scale of the scales given. */
export interface RowsFault {
  readonly kind: "nan-code" | "reserved-scale" | "bad-scale" | "non-finite" | "too-large" | "expert-id";
  readonly index: number;
}

export interface DecodeResult {
  readonly fault?: RowsFault;
  /** False where f32 could not hold the products of codes and scales exactly. */
  readonly exact: boolean;
}

/** Decodes stored rows of any format to f32 `[rows, cols]`. */
export function decodeRows(kernels: Kernels, rows: StoredRows, target: Float32Array): DecodeResult {
  const { format, weight, scale } = rows;
  if (format === "fp4" && scale)
    return found("reserved-scale", kernels.decodeFp4(weight, scale.bytes, target));
  if (format === "fp8" && scale) return decodeFp8(kernels, rows, scale, target);
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
    values instanceof Float32Array
      ? values.findIndex((value) => !(value > 0 && value < Number.POSITIVE_INFINITY))
      : values.indexOf(255);
  if (bad >= 0) return found(kind === "f32" ? "bad-scale" : "reserved-scale", bad);
  const result = found(
    "nan-code",
    kernels.decodeF8(weight, cols, { values, blockRows, blockCols, firstRow }, target),
  );
  // A 4-bit significand times an F32 scale is exact in f32 when the scale is a power of two.
  return { ...result, exact: !(values instanceof Float32Array) || values.every(isPowerOfTwo) };
}

const found = (kind: RowsFault["kind"], index: number): DecodeResult =>
  index < 0 ? { exact: true } : { fault: { kind, index }, exact: true };

const isPowerOfTwo = (value: number): boolean => 2 ** Math.round(Math.log2(value)) === value;
