import type { GroupRow, HeatRow, LengthRow, ScoreEstimate } from "../schemas/long-context.ts";
import { lengthLabel, tasksOf } from "./axes.ts";
import { colorOf, cssColor } from "./color-scale.ts";
import { heatMapSvg } from "./heat-map.ts";
import { escapeHtml, lengthCurvesSvg } from "./length-curves.ts";

export interface LongContextPage {
  readonly title: string;
  readonly lengths: readonly LengthRow[];
  readonly heat: readonly HeatRow[];
  readonly groups?: readonly GroupRow[];
  /** Facts of the run and remarks, a line each. */
  readonly notes: readonly string[];
  /** Below it a score counts as failed. */
  readonly threshold: number;
}

const STYLE = `body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
td:first-child, th:first-child { text-align: left } .legend span { margin-right: 1.2rem; white-space: nowrap }
h1, li { overflow-wrap: anywhere } figure { margin: 1.5rem 0 } figure, .wide { overflow-x: auto } figure svg[viewBox] { max-width: none } figcaption { font-weight: 600 } .scale { display: flex; align-items: center; gap: .5rem }`;

/** Curves, heat maps and the table behind them as one HTML file that loads nothing. */
export function longContextHtml({
  title,
  lengths,
  heat,
  groups = [],
  notes,
  threshold,
}: LongContextPage): string {
  const maps = tasksOf(heat).map(
    (task) =>
      `<figure><figcaption>${escapeHtml(task)} by depth</figcaption>` +
      `${heatMapSvg(
        heat.filter((row) => row.task === task),
        threshold,
      )}</figure>`,
  );
  const curves =
    lengths.length === 0
      ? ""
      : `<figure><figcaption>Score by length</figcaption>${lengthCurvesSvg(lengths, threshold)}</figure>`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeHtml(title)}</h1>
<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join("")}</ul>
${curves}
${maps.length > 0 ? scaleBar(threshold) : ""}
${maps.join("\n")}
${lengths.length + groups.length > 0 ? "<h2>Means and 95 % intervals</h2>" : ""}
${lengths.length > 0 ? tableOf("length", lengths, ({ length }) => lengthLabel(length)) : ""}
${groups.length > 0 ? tableOf("group", groups, ({ group }) => group) : ""}
</body>
</html>
`;
}

function scaleBar(threshold: number): string {
  const stops = Array.from({ length: 10 }, (_, i) => cssColor(colorOf(i / 9))).join(", ");
  return (
    `<p class="scale">0 <span style="width: 12rem; height: 1rem; background: linear-gradient(to right, ${stops})"></span> 1` +
    ` &nbsp; hatched: not run &nbsp; red border: the whole interval lies below ${threshold}</p>`
  );
}

function tableOf<Row extends ScoreEstimate & { readonly task: string }>(
  title: string,
  rows: readonly Row[],
  labelOf: (row: Row) => string,
): string {
  const body = rows.map((row) => {
    const cells = [
      row.task,
      labelOf(row),
      String(row.n),
      row.mean.toFixed(3),
      `${row.low.toFixed(3)}–${row.high.toFixed(3)}`,
    ];
    return `<tr>${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join("")}</tr>`;
  });
  const titles = ["task", title, "n", "mean", "interval"].map((text) => `<th>${text}</th>`).join("");
  return `<div class="wide"><table><tr>${titles}</tr>${body.join("\n")}</table></div>`;
}
