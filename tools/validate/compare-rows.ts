import type { Kernels } from "../../kernels/kernels.ts";
import { readRows, rowCount, rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { CensusEntry } from "../model/census.ts";

/** A tensor in one of the two checkpoints that are compared. */
export interface TensorPlace {
  readonly source: TensorSource;
  readonly entry: CensusEntry;
}

/** Sums over some rows of a tensor x and its counterpart y; those of all rows are added in the order of rows. */
export interface RowSums {
  readonly unequal: number;
  /** sum (y - x)^2 */
  readonly squaredError: number;
  readonly squaredReference: number;
  readonly squaredCandidate: number;
  /** sum x y */
  readonly product: number;
  readonly maxDifference: number;
}

/** Compares rows `first ... first + count` of one tensor in two checkpoints, value by value. */
export async function compareRows(
  kernels: Kernels,
  reference: TensorPlace,
  candidate: TensorPlace,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<RowSums> {
  const [x, y] =
    reference.entry.spec.storage === "table"
      ? await Promise.all([readIds(reference, first, count), readIds(candidate, first, count)])
      : await Promise.all([
          readValues(kernels, reference, first, count),
          readValues(kernels, candidate, first, count),
        ]);
  let unequal = 0;
  let squaredError = 0;
  let squaredReference = 0;
  let squaredCandidate = 0;
  let product = 0;
  let maxDifference = 0;
  for (let i = 0; i < x.length; i++) {
    const a = x[i];
    const b = y[i];
    const difference = b - a;
    if (difference !== 0) unequal++;
    squaredError += difference * difference;
    squaredReference += a * a;
    squaredCandidate += b * b;
    product += a * b;
    if (!(Math.abs(difference) <= maxDifference)) maxDifference = Math.abs(difference);
  }
  return { unequal, squaredError, squaredReference, squaredCandidate, product, maxDifference };
}

async function readValues(
  kernels: Kernels,
  { source, entry }: TensorPlace,
  first: number,
  count: number,
): Promise<Float32Array> {
  const into = new Float32Array(count * rowLength(entry));
  await readRows(source, kernels, entry, first, into);
  return into;
}

/** Rows of a routing table; ids are below 2^31 in both widths (the census of either checks shapes, quantize the ids). */
async function readIds({ source, entry }: TensorPlace, first: number, count: number): Promise<Float64Array> {
  const rowBytes = entry.weight.byteLength / rowCount(entry);
  const bytes = new Uint8Array(count * rowBytes);
  await source.read(entry.weight, first * rowBytes, bytes);
  return entry.format === "i64"
    ? Float64Array.from(new BigInt64Array(bytes.buffer), Number)
    : Float64Array.from(new Int32Array(bytes.buffer));
}
