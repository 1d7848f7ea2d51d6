import type { Comparison, Kernels } from "../../kernels/kernels.ts";
import { sliceRows } from "../checkpoint/decode-rows.ts";
import { decodeStored, readStored, rowCount, rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { CensusEntry } from "../model/census.ts";

/** A tensor in one of the two checkpoints that are compared. */
export interface TensorPlace {
  readonly source: TensorSource;
  readonly entry: CensusEntry;
}

/** Values decoded at once: both sides stay in the second-level cache. */
const TILE_VALUES = 32_768;

/** Compares rows `first ... first + count` of one tensor in two checkpoints, value by value. */
export async function compareRows(
  kernels: Kernels,
  reference: TensorPlace,
  candidate: TensorPlace,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<Comparison> {
  const sides = [reference, candidate];
  if (reference.entry.spec.storage === "table") {
    const [x, y] = await Promise.all(sides.map((side) => readIds(side, first, count)));
    return kernels.compare(x, y);
  }
  const stored = await Promise.all(sides.map(({ source, entry }) => readStored(source, entry, first, count)));
  const cols = rowLength(reference.entry);
  const step = Math.max(1, Math.floor(TILE_VALUES / cols));
  const parts: Comparison[] = [];
  const buffers = sides.map(() => new Float32Array(step * cols));
  for (let row = 0; row < count; row += step) {
    const rows = Math.min(step, count - row);
    const [x, y] = sides.map(({ entry }, side) => {
      const into = buffers[side].subarray(0, rows * cols);
      decodeStored(kernels, entry, sliceRows(stored[side], count, row, rows), first + row, into);
      return into;
    });
    parts.push(kernels.compare(x, y));
  }
  return addComparisons(parts);
}

/** Sums over all parts, added in their order. */
export function addComparisons(parts: readonly Comparison[]): Comparison {
  const sum = (field: keyof Comparison): number => parts.reduce((total, part) => total + part[field], 0);
  return {
    unequal: sum("unequal"),
    squaredError: sum("squaredError"),
    squaredReference: sum("squaredReference"),
    squaredCandidate: sum("squaredCandidate"),
    product: sum("product"),
    maxDifference: Math.max(...parts.map((part) => part.maxDifference)),
  };
}

/** Rows of a routing table: expert ids are small, so f32 holds them; what is no such id becomes infinite. */
async function readIds({ source, entry }: TensorPlace, first: number, count: number): Promise<Float32Array> {
  const rowBytes = entry.weight.byteLength / rowCount(entry);
  const bytes = new Uint8Array(count * rowBytes);
  await source.read(entry.weight, first * rowBytes, bytes);
  const small = (id: number | bigint): number => (id < 2 ** 24 ? Number(id) : Number.POSITIVE_INFINITY);
  return entry.format === "i64"
    ? Float32Array.from(new BigInt64Array(bytes.buffer), small)
    : Float32Array.from(new Int32Array(bytes.buffer), small);
}
