import { chiSquaredTail, meanOf } from "./intervals.ts";

/** Where the one needle of a problem lay, in tokens, and how the problem was answered. */
export interface NeedlePlace {
  readonly offset: number;
  readonly promptTokens: number;
  readonly score: number;
}

/** What compressed attention groups positions by. */
export interface AttentionPeriods {
  readonly window: number;
  readonly fine: number;
  readonly coarse: number;
}

/** Scores by the residue of a position. A small `chance` says that the groups differ by more than luck. */
export interface PeriodicityRow {
  readonly grouping: string;
  readonly groups: readonly { readonly name: string; readonly n: number; readonly mean: number }[];
  /** Probability of differences as great as these where position does not matter. */
  readonly chance: number;
}

/** Finer groups than this would be too small to compare. */
const MOST_GROUPS = 16;

/**
 * A pattern with the period of a compressor means that it, or a position, is wrong; a step at the window's end means that
 * everything behind it was lost.
 */
export function periodicityOf(places: readonly NeedlePlace[], periods: AttentionPeriods): PeriodicityRow[] {
  const { window, fine, coarse } = periods;
  const width = Math.max(1, Math.ceil(coarse / MOST_GROUPS));
  const span = (residue: number): string => {
    const from = Math.floor(residue / width) * width;
    return width === 1 ? `${from}` : `${from}-${Math.min(coarse, from + width) - 1}`;
  };
  return [
    grouped(`depth mod ${fine}`, places, ({ offset }) => `${offset % fine}`),
    grouped(`depth mod ${coarse}`, places, ({ offset }) => span(offset % coarse)),
    grouped(`prompt mod ${fine}`, places, ({ promptTokens }) => `${promptTokens % fine}`),
    grouped("distance to the end", places, ({ offset, promptTokens }) =>
      promptTokens - offset <= window ? `at most ${window}` : `more than ${window}`,
    ),
  ];
}

function grouped(
  grouping: string,
  places: readonly NeedlePlace[],
  nameOf: (place: NeedlePlace) => string,
): PeriodicityRow {
  const scores = new Map<string, number[]>();
  for (const place of places) {
    const name = nameOf(place);
    const known = scores.get(name);
    if (known) known.push(place.score);
    else scores.set(name, [place.score]);
  }
  const groups = [...scores]
    .map(([name, values]) => ({ name, n: values.length, mean: meanOf(values) }))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return { grouping, groups, chance: chanceOf(groups, places) };
}

/** One-way analysis of variance, as chi-squared with the variance of all scores. */
function chanceOf(groups: PeriodicityRow["groups"], places: readonly NeedlePlace[]): number {
  const mean = meanOf(places.map(({ score }) => score));
  const variance =
    places.reduce((sum, { score }) => sum + (score - mean) ** 2, 0) / Math.max(1, places.length - 1);
  if (variance === 0 || groups.length < 2) return 1;
  const between = groups.reduce((sum, group) => sum + group.n * (group.mean - mean) ** 2, 0) / variance;
  return chiSquaredTail(between, groups.length - 1);
}
