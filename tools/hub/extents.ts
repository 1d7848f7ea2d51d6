/** Places in a file of fixed size: given out where they first fit, joined again when they come back. */
export interface Extents {
  /** Position of a free range, or undefined where there is none of that length. */
  take(byteLength: number): number | undefined;
  give(position: number, byteLength: number): void;
  usedBytes(): number;
}

export function createExtents(totalBytes: number): Extents {
  /** Free ranges in order; no two of them touch. */
  const free: { start: number; end: number }[] = [{ start: 0, end: totalBytes }];
  let used = 0;
  return {
    take(byteLength) {
      const at = free.findIndex(({ start, end }) => end - start >= byteLength);
      if (at < 0) return undefined;
      const position = free[at].start;
      free[at].start += byteLength;
      if (free[at].start === free[at].end) free.splice(at, 1);
      used += byteLength;
      return position;
    },
    give(position, byteLength) {
      used -= byteLength;
      const end = position + byteLength;
      const after = free.findIndex(({ start }) => start >= end);
      const at = after < 0 ? free.length : after;
      const [before, next] = [free[at - 1], free[at]];
      const joinsBefore = before?.end === position;
      const joinsNext = next?.start === end;
      if (joinsBefore && joinsNext) {
        before.end = next.end;
        free.splice(at, 1);
      } else if (joinsBefore) before.end = end;
      else if (joinsNext) next.start = position;
      else free.splice(at, 0, { start: position, end });
    },
    usedBytes: () => used,
  };
}
