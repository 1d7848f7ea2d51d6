/** Median of a list of numbers; the list is sorted in place. */
export function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1];
}

/** Seconds that one call of `run` takes. */
export function secondsOf(run: () => void): number {
  const startMs = performance.now();
  run();
  return (performance.now() - startMs) / 1000;
}

/** A way of doing the same work; returns the seconds it took. */
export type Contender = () => number | Promise<number>;

/**
 * Runs contenders in turn, so that whatever else the machine does hits all of them, and returns for each the median
 * of its seconds and of the paired ratio (its seconds over the first contender's).
 */
export async function paired(
  contenders: readonly Contender[],
  repeats: number,
): Promise<{ readonly seconds: number; readonly ratio: number }[]> {
  const seconds: number[][] = contenders.map(() => []);
  for (let i = 0; i < repeats; i++) for (const [c, run] of contenders.entries()) seconds[c].push(await run());
  const first = [...seconds[0]];
  return seconds.map((list) => ({
    ratio: median(list.map((value, i) => value / first[i])),
    seconds: median([...list]),
  }));
}
