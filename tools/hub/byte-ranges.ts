/** Bytes [start, end) of a file. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Ranges in ascending order that neither touch nor overlap: what of a file is there. */
export type Ranges = readonly Span[];

/** The ranges with one more among them. Few exist at a time: about one per connection, and one per gap of an earlier run. */
export function withRange(ranges: Ranges, { start, end }: Span): Ranges {
  if (start >= end) return ranges;
  const before = ranges.filter((range) => range.end < start);
  const after = ranges.filter((range) => range.start > end);
  const touching = ranges.slice(before.length, ranges.length - after.length);
  const merged = {
    start: Math.min(start, touching[0]?.start ?? start),
    end: Math.max(end, touching.at(-1)?.end ?? end),
  };
  return [...before, merged, ...after];
}

/** What is missing of [0, byteLength), in ascending order. */
export function gapsOf(ranges: Ranges, byteLength: number): Span[] {
  const edges = [...ranges, { start: byteLength, end: byteLength }];
  return edges
    .map(({ start }, i) => ({ start: edges[i - 1]?.end ?? 0, end: start }))
    .filter(({ start, end }) => start < end);
}

export const overlaps = (ranges: Ranges, { start, end }: Span): boolean =>
  ranges.some((range) => range.start < end && start < range.end);

export const lengthOf = (ranges: Ranges): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);

/** How many bytes from the beginning are there without a gap. */
export const frontierOf = (ranges: Ranges): number => (ranges[0]?.start === 0 ? ranges[0].end : 0);
