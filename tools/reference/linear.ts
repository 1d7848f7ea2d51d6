import type { Weights } from "../../kernels/forward.ts";
import type { DecodableFormat, Kernels } from "../../kernels/kernels.ts";
import { type StoredRows, sliceRows } from "../checkpoint/decode-rows.ts";
import { decodeStored } from "../checkpoint/read-rows.ts";
import { dataError } from "../lib/errors.ts";
import type { CensusEntry } from "../model/census.ts";

/** A matrix [out, in] ready to be applied to rows of activations: y = x W^T. */
export interface Linear {
  readonly out: number;
  readonly in: number;
  /** Of what is kept in memory. */
  readonly byteLength: number;
  /** [count, in] to [count, out]; with `rows` only these rows of the matrix take part. */
  apply(x: Float32Array, count: number, rows?: RowRange): Float32Array;
}

export interface RowRange {
  readonly first: number;
  readonly count: number;
}

/** Rows of a tensor's matrix as they are stored, from `firstRow` of it on. */
export interface StoredMatrix {
  readonly entry: CensusEntry;
  readonly stored: StoredRows;
  readonly firstRow: number;
  readonly out: number;
}

/** A matrix in its stored format; rows are decoded as they are multiplied. */
export function storedLinear(kernels: Kernels, matrix: StoredMatrix): Linear {
  const { entry, stored, firstRow, out } = matrix;
  const { cols, weight, scale, zeroPoints } = stored;
  return {
    out,
    in: cols,
    byteLength: weight.length + (scale?.bytes.length ?? 0) + (zeroPoints?.bytes.length ?? 0),
    apply(x, count, rows = { first: 0, count: out }) {
      const y = new Float32Array(count * rows.count);
      const multiply = (part: RowRange, weights: Weights): void => {
        const bad = kernels.gemm({
          x,
          rows: count,
          cols,
          weights,
          out: y.subarray(part.first - rows.first),
          outRows: part.count,
          outStride: rows.count,
        });
        if (bad >= 0)
          throw dataError({
            what: `row ${firstRow + part.first + bad} holds a code or scale without a value`,
            file: entry.weight.file,
            tensor: entry.weight.name,
          });
      };
      const weights = weightsOf(sliceRows(stored, out, rows.first, rows.count));
      if (weights) multiply(rows, weights);
      else
        for (const { part, values } of decodedRows(kernels, matrix, rows))
          multiply(part, { format: "f32", bytes: values });
      return y;
    },
  };
}

const DECODED_FIRST: ReadonlySet<StoredRows["format"]> = new Set<StoredRows["format"]>([
  "nvfp4_groups",
  "int4_groups",
  "mlx_affine4",
  "mlx_affine8",
]);

/** What the products take as it is stored; undefined for formats that must be decoded first. */
function weightsOf({ format, weight, scale }: StoredRows): Weights | undefined {
  if (DECODED_FIRST.has(format)) return undefined;
  if (!scale) return { format: format as DecodableFormat, bytes: weight };
  const { kind, bytes, blockRows, blockCols, firstRow } = scale;
  if (format === "fp4") return { format: "fp4", codes: weight, scales: bytes };
  const values = kind === "f32" ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : bytes;
  return { format: "f8", codes: weight, scales: { values, blockRows, blockCols, firstRow } };
}

/** Values decoded at once: 4 MiB, enough rows for every thread of a product. */
const DECODED_VALUES = 1 << 20;

/** Some of the rows as f32 bytes, a tile of them at a time, each in the place of the one before. */
function* decodedRows(kernels: Kernels, { entry, stored, firstRow, out }: StoredMatrix, rows: RowRange) {
  const { cols } = stored;
  const step = Math.max(1, Math.min(rows.count, Math.floor(DECODED_VALUES / cols)));
  const tile = new Float32Array(step * cols);
  const end = rows.first + rows.count;
  for (let first = rows.first; first < end; first += step) {
    const part = { first, count: Math.min(step, end - first) };
    const values = tile.subarray(0, part.count * cols);
    decodeStored(kernels, entry, sliceRows(stored, out, first, part.count), firstRow + first, values);
    yield { part, values: new Uint8Array(tile.buffer, 0, values.byteLength) };
  }
}
