import type { HeatRow, LengthRow } from "../schemas/long-context.ts";

/** A length as people write it: `96`, `4K`, `2176`, `1M`. */
export function lengthLabel(length: number): string {
  const units: readonly [number, string][] = [
    [2 ** 20, "M"],
    [1024, "K"],
  ];
  for (const [unit, suffix] of units) if (length % unit === 0) return `${length / unit}${suffix}`;
  return String(length);
}

const distinct = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b);

/** Rows and columns of a heat map, and what stands where; cells that were not run are absent. */
export function heatGrid(rows: readonly HeatRow[]): {
  readonly lengths: readonly number[];
  readonly depths: readonly number[];
  at(length: number, depth: number): HeatRow | undefined;
} {
  const cells = new Map(rows.map((row) => [`${row.length}/${row.depth}`, row]));
  return {
    lengths: distinct(rows.map(({ length }) => length)),
    depths: distinct(rows.map(({ depth }) => depth)),
    at: (length, depth) => cells.get(`${length}/${depth}`),
  };
}

export const tasksOf = (rows: readonly LengthRow[]): string[] => [...new Set(rows.map(({ task }) => task))];

/** A score as it is printed everywhere. */
export const scoreText = (score: number): string => score.toFixed(2);
