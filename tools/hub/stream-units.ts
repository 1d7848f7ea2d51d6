import type { PlannedRead } from "../lib/files.ts";

/** What is fetched as one: a range of a file that one or several reads need. */
export interface FetchUnit {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** Bytes that reads will take from it; a byte that is read twice counts twice. */
  readonly usedBytes: number;
  /** What each read will take, in the order of reads: start and end. */
  readonly parts: readonly (readonly [number, number])[];
}

export interface UnitLimits {
  readonly unitBytes: number;
  /** Bytes that nobody needs and that are fetched nevertheless, because a request costs more. */
  readonly gapBytes: number;
  /** A unit may grow by what is read so many fetched bytes after its first read: what is read late would only wait. */
  readonly reachBytes: number;
  /** A unit is kept for reads up to so many fetched bytes later; after that the same bytes are fetched again. */
  readonly keptBytes: number;
}

type GrowingUnit = { -readonly [K in keyof Omit<FetchUnit, "parts">]: FetchUnit[K] } & {
  readonly parts: [number, number][];
  /** Bytes that units before it fetch. */
  readonly bornAt: number;
};

/**
 * Joins reads that are neighbours in a file and close in time (a weight and its scale, small tensors) into units in the
 * order of their first use. A list of units is short: a checkpoint of 865 GB has some 60,000.
 */
export async function planUnits(
  reads: AsyncIterable<PlannedRead> | Iterable<PlannedRead>,
  limits: UnitLimits,
): Promise<readonly FetchUnit[]> {
  const units: GrowingUnit[] = [];
  /** Units that reads may still use, by file, in order of position; they do not overlap. */
  const kept = new Map<string, GrowingUnit[]>();
  let plannedBytes = 0;
  let oldest = 0;

  /** Has bytes from `at` on fetched, up to `end` at most; returns where it stopped. */
  const cover = (name: string, at: number, end: number): number => {
    const inFile = kept.get(name) ?? [];
    if (inFile.length === 0) kept.set(name, inFile);
    const i = lastUpTo(inFile, at);
    const [before, after] = [inFile[i], inFile[i + 1]] as [GrowingUnit?, GrowingUnit?];
    if (before && at < before.end) {
      const stop = Math.min(end, before.end);
      return use(before, at, stop);
    }
    const stop = Math.min(end, after?.start ?? end);
    const grows = (unit: GrowingUnit): boolean => plannedBytes - unit.bornAt <= limits.reachBytes;
    if (before && grows(before) && at - before.end <= limits.gapBytes) {
      const grownTo = Math.min(stop, before.start + limits.unitBytes);
      if (grownTo > at) {
        plannedBytes += grownTo - before.end;
        before.end = grownTo;
        return use(before, at, grownTo);
      }
    }
    if (
      after &&
      grows(after) &&
      after.start - stop <= limits.gapBytes &&
      after.end - at <= limits.unitBytes
    ) {
      plannedBytes += after.start - at;
      after.start = at;
      return use(after, at, stop);
    }
    const cut = Math.min(stop, at + limits.unitBytes);
    const unit: GrowingUnit = { name, start: at, end: cut, usedBytes: 0, parts: [], bornAt: plannedBytes };
    plannedBytes += cut - at;
    inFile.splice(i + 1, 0, unit);
    units.push(unit);
    return use(unit, at, cut);
  };

  for await (const { name, start, end } of reads) {
    for (let at = start; at < end; ) at = cover(name, at, end);
    for (; units[oldest] && plannedBytes - units[oldest].bornAt > limits.keptBytes; oldest++) {
      const inFile = kept.get(units[oldest].name) as GrowingUnit[];
      inFile.splice(inFile.indexOf(units[oldest]), 1);
    }
  }
  return units;
}

function use(unit: GrowingUnit, start: number, end: number): number {
  unit.usedBytes += end - start;
  unit.parts.push([start, end]);
  return end;
}

/** Index of the last unit that begins at or before a position; -1 for none. */
export function lastUpTo(units: readonly { readonly start: number }[], position: number): number {
  let [low, high] = [0, units.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (units[middle].start <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
