import type { ForwardKernels } from "../../kernels/forward.ts";
import { OK } from "../../kernels/kernels.ts";

/** `fp32`: no rounding of activations. `qat`: the in-place rounding of cached rows that the model was trained with. */
export const NUMERICS = ["fp32", "qat"] as const;
export type Numerics = (typeof NUMERICS)[number];

/** Where a forward pass rounds what it caches. */
export interface Rounding {
  /** A key-value or compressed row: FQ8 in groups of 64 on the dimensions that are not rotated. */
  readonly cachedRow: (row: Float32Array, ropeDim: number) => void;
  /** An indexer row or query: Hadamard, then FQ4 in groups of 32. Without FQ4 the Hadamard cancels and is left out. */
  readonly indexRow: (row: Float32Array) => void;
}

export function roundingOf(numerics: Numerics, kernels: ForwardKernels): Rounding {
  if (numerics === "fp32") return { cachedRow: () => {}, indexRow: () => {} };
  const finite = (result: number): void => {
    if (result !== OK) throw new RangeError(`a cached row is not finite at ${result}`);
  };
  return {
    cachedRow: (row, ropeDim) => finite(kernels.roundF8(row, row.length, row.length - ropeDim, 64)),
    indexRow(row) {
      kernels.hadamard(row, row.length);
      finite(kernels.roundF4(row, row.length, row.length, 32));
    },
  };
}
