import type { LongContextSummary } from "../../evals/longctx/summary.ts";
import { renderSummary } from "../../evals/run/render-summary.ts";
import { groupTable, lengthTable, terminalHeatMap } from "../../reports/long-context/terminal.ts";
import type { LongContextResult } from "./long-context.ts";

/** A cell whose whole interval lies below it is marked in heat maps. */
export const THRESHOLD = 0.85;

/** Differences by position that luck makes more often than this are not worth a line. */
const RARE = 0.01;

/** For a terminal: scores by length, a heat map per task where depths differ, and the run's own summary. */
export function renderLongContext({ report, longContext }: LongContextResult, color: boolean): string {
  const { lengths, heat, groups } = longContext;
  const maps = [...new Set(heat.map(({ task }) => task))]
    .map((task) => heat.filter((row) => row.task === task))
    .filter((rows) => new Set(rows.map(({ depth }) => depth)).size > 1);
  const notes = remarks(longContext);
  return [
    ...(lengths.length > 0 ? [lengthTable(lengths), ""] : []),
    ...maps.flatMap((rows) => [rows[0].task, terminalHeatMap(rows, { color, threshold: THRESHOLD }), ""]),
    ...(groups.length > 0 ? [groupTable(groups), ""] : []),
    ...(notes.length > 0 ? [...notes, ""] : []),
    renderSummary(report),
  ].join("\n");
}

/** What a reader of the scores must know, a line each. */
export function remarks({ ruler, dumped, periodicity }: LongContextSummary): readonly string[] {
  const patterns = periodicity
    .filter(({ chance }) => chance < RARE)
    .map(
      ({ grouping, groups, chance }) =>
        `scores differ by ${grouping} (luck: ${chance.toPrecision(1)}): ` +
        groups.map(({ name, mean, n }) => `${name}: ${mean.toFixed(2)} of ${n}`).join(", "),
    );
  return [
    ...(ruler ? [rulerLine(ruler)] : []),
    ...(dumped > 0 ? [`${dumped} answers repeat the context; their scores mean nothing`] : []),
    ...patterns,
  ];
}

function rulerLine(ruler: NonNullable<LongContextSummary["ruler"]>): string {
  const { tasks, complete, effectiveLength, weightedIncreasing, weightedDecreasing } = ruler;
  return (
    `RULER${complete ? "" : ` over ${tasks} of its tasks`}: effective length ${effectiveLength ?? "none"}, ` +
    `weighted mean ${(100 * weightedIncreasing).toFixed(1)} (rising), ${(100 * weightedDecreasing).toFixed(1)} (falling)`
  );
}
