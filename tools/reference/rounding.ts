import { fq4, fq8, hadamard } from "./fake-quant.ts";

/** `fp32`: no rounding of activations. `qat`: the in-place rounding of cached rows that the model was trained with. */
export type Numerics = "fp32" | "qat";

/** Where a forward pass rounds what it caches. */
export interface Rounding {
  /** A key-value or compressed row: FQ8 on the dimensions that are not rotated. */
  readonly cachedRow: (row: Float32Array, ropeDim: number) => void;
  /** An indexer row or query: Hadamard, then FQ4. Without FQ4 the Hadamard cancels in the products and is left out. */
  readonly indexRow: (row: Float32Array) => void;
}

export const roundingOf = (numerics: Numerics): Rounding =>
  numerics === "fp32"
    ? { cachedRow: () => {}, indexRow: () => {} }
    : {
        cachedRow: (row, ropeDim) => fq8(row.subarray(0, row.length - ropeDim)),
        indexRow(row) {
          hadamard(row);
          fq4(row);
        },
      };
