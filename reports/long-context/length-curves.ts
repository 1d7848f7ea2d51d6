import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { LengthRow } from "../schemas/long-context.ts";
import { lengthLabel, tasksOf } from "./axes.ts";

/** Okabe and Ito's, apart to readers with any colour vision; more tasks repeat them with another dash. */
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442"];
const DASHES = ["", "6 3", "2 3"];

interface Stroke {
  readonly color: string;
  readonly dash: string;
  readonly width: number;
}

/** The mean of all tasks stands out. */
const strokeOf = (task: string, i: number): Stroke =>
  task === "mean"
    ? { color: "#000000", dash: "", width: 3 }
    : {
        color: COLORS[i % COLORS.length],
        dash: DASHES[Math.floor(i / COLORS.length) % DASHES.length],
        width: 1.5,
      };

/** Score over length with 95 % intervals, a line per task, as SVG. `threshold` is drawn as a rule. */
export function lengthCurvesSvg(rows: readonly LengthRow[], threshold: number): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const tasks = tasksOf(rows);
  const lengths = [...new Set(rows.map(({ length }) => length))].sort((a, b) => a - b);
  // A log scale needs a positive span, also of a single length.
  const domain = [lengths[0] / 1.15, lengths[lengths.length - 1] * 1.15];
  const marks = tasks.flatMap((task, i) => {
    const points = rows.filter((row) => row.task === task);
    const { color: stroke, dash: strokeDasharray, width: strokeWidth } = strokeOf(task, i);
    return [
      Plot.ruleX(points, { x: "length", y1: "low", y2: "high", stroke, strokeOpacity: 0.55 }),
      Plot.line(points, { x: "length", y: "mean", stroke, strokeDasharray, strokeWidth }),
      Plot.dot(points, { x: "length", y: "mean", fill: stroke, r: 1 + strokeWidth, title: titleOf }),
    ];
  });
  const plot = Plot.plot({
    document,
    width: 760,
    height: 380,
    marginLeft: 52,
    marginBottom: 44,
    x: {
      type: "log",
      base: 2,
      domain,
      ticks: apart(lengths),
      tickFormat: lengthLabel,
      label: "length in tokens",
    },
    y: { domain: [0, 1], grid: true, label: "score" },
    marks: [Plot.ruleY([threshold], { stroke: "#e00", strokeDasharray: "3 3" }), ...marks],
  });
  return `${legendOf(tasks)}${plot.outerHTML}`;
}

/** A label takes this part of the axis. */
const LABEL_SHARE = 0.06;

/** Lengths whose labels do not cover one another: those of a sweep lie side by side. */
function apart(lengths: readonly number[]): readonly number[] {
  const least = LABEL_SHARE * Math.log2(lengths[lengths.length - 1] / lengths[0]);
  const kept: number[] = [];
  for (const length of lengths)
    if (kept.length === 0 || Math.log2(length / kept[kept.length - 1]) >= least) kept.push(length);
  return kept;
}

const titleOf = ({ task, length, mean, low, high, n }: LengthRow): string =>
  `${task}, ${lengthLabel(length)}: ${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}], n = ${n}`;

/** Tasks are names of ours, but a legend is markup: they are escaped all the same. */
function legendOf(tasks: readonly string[]): string {
  const entries = tasks.map((task, i) => {
    const { color, dash, width } = strokeOf(task, i);
    const line =
      `<svg width="26" height="10"><line x1="0" y1="5" x2="26" y2="5" stroke="${color}"` +
      ` stroke-width="${width}" stroke-dasharray="${dash}"/></svg>`;
    return `<span>${line} ${escapeHtml(task)}</span>`;
  });
  return `<p class="legend">${entries.join("\n")}</p>`;
}

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
