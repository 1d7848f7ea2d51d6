import type { DecodableFormat, Kernels } from "../../kernels/kernels.ts";
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

/** A tensor's bytes as they are stored, with those of its scale. */
export interface StoredBytes {
  readonly entry: CensusEntry;
  readonly weight: Uint8Array;
  readonly scale?: Uint8Array;
}

/** A matrix in its stored format; rows are decoded as they are multiplied. */
export function storedLinear(kernels: Kernels, stored: StoredBytes): Linear {
  const { spec, weight } = stored.entry;
  const [out, cols] = spec.shape;
  return {
    out,
    in: cols,
    byteLength: stored.weight.length + (stored.scale?.length ?? 0),
    apply(x, count, rows = { first: 0, count: out }) {
      const y = new Float32Array(count * rows.count);
      const bad = kernels.gemm({
        x,
        rows: count,
        cols,
        weights: weightsOf(stored, rows),
        out: y,
        outRows: rows.count,
      });
      if (bad >= 0)
        throw dataError({
          what: `row ${rows.first + bad} holds a code or scale without a value`,
          file: weight.file,
          tensor: weight.name,
        });
      return y;
    },
  };
}

function weightsOf({ entry, weight, scale }: StoredBytes, { first, count }: RowRange) {
  const rowBytes = weight.length / entry.spec.shape[0];
  const codes = weight.subarray(first * rowBytes, (first + count) * rowBytes);
  if (!entry.scale || !scale) return { format: entry.format as DecodableFormat, bytes: codes };
  const { kind, blockRows, blockCols, tensor } = entry.scale;
  const [scaleRows, scaleCols] = tensor.shape;
  const firstScale = Math.floor(first / blockRows);
  const from = (firstScale * scale.length) / scaleRows;
  if (entry.format === "fp4")
    return { format: "fp4" as const, codes, scales: scale.subarray(from, from + count * scaleCols) };
  const part = scale.subarray(from);
  const values = kind === "f32" ? new Float32Array(part.buffer, part.byteOffset, part.length / 4) : part;
  return {
    format: "f8" as const,
    codes,
    scales: { values, blockRows, blockCols, firstRow: first - firstScale * blockRows },
  };
}
