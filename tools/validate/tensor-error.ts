import type { Kernels } from "../../kernels/kernels.ts";
import { readRows, rowCount, rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { TASK_VALUES } from "../lib/limits.ts";
import type { CensusEntry } from "../model/census.ts";

/** A tensor in one of the two checkpoints that are compared. */
export interface TensorPlace {
  readonly source: TensorSource;
  readonly entry: CensusEntry;
}

/** How far a tensor is from its reference. */
export interface TensorError {
  readonly values: number;
  /** Values that differ at all. */
  readonly unequal: number;
  /** Sum of squared differences over sum of squares of the reference, and the largest absolute difference. */
  readonly squaredError: number;
  readonly squaredReference: number;
  readonly maxDifference: number;
}

/** sqrt(sum (y - x)^2 / sum x^2); 0 for an all-zero tensor that is kept. */
export const relativeRmse = ({ squaredError, squaredReference }: TensorError): number =>
  squaredError === 0 ? 0 : Math.sqrt(squaredError / squaredReference);

/** Compares one tensor of two checkpoints value by value, a window of rows at a time. */
export async function tensorError(
  kernels: Kernels,
  reference: TensorPlace,
  candidate: TensorPlace,
): Promise<TensorError> {
  const rows = rowCount(reference.entry);
  const cols = rowLength(reference.entry);
  const step = Math.max(1, Math.min(rows, Math.floor(TASK_VALUES / cols)));
  let unequal = 0;
  let squaredError = 0;
  let squaredReference = 0;
  let maxDifference = 0;
  const x = new Float32Array(step * cols);
  const y = new Float32Array(step * cols);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row) * cols;
    const [a, b] = [x.subarray(0, count), y.subarray(0, count)];
    await readRows(reference.source, kernels, reference.entry, row, a);
    await readRows(candidate.source, kernels, candidate.entry, row, b);
    for (let i = 0; i < count; i++) {
      const difference = b[i] - a[i];
      if (difference !== 0) unequal++;
      squaredError += difference * difference;
      squaredReference += a[i] * a[i];
      maxDifference = Math.max(maxDifference, Math.abs(difference));
    }
  }
  return { values: rows * cols, unequal, squaredError, squaredReference, maxDifference };
}
