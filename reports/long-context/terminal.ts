import { printable } from "../../tools/lib/errors.ts";
import { renderTable } from "../../tools/lib/table.ts";
import type { GroupRow, HeatRow, LengthRow, ScoreEstimate } from "../schemas/long-context.ts";
import { heatGrid, lengthLabel, scoreText, tasksOf } from "./axes.ts";
import { colorOf, takesDarkText } from "./color-scale.ts";

export interface TerminalOptions {
  /** ANSI colours; the values are printed either way. */
  readonly color: boolean;
  /** Cells whose interval lies below this are marked. */
  readonly threshold: number;
}

const CELL = 7;

/** Lengths side by side in a terminal; a sweep has dozens, and a line that wraps is no table. */
const MAP_LENGTHS = 12;
const TABLE_LENGTHS = 6;

/** The heat map of one task as text: depth from the top down, `·` where nothing was run, `!` below the threshold. */
export function terminalHeatMap(rows: readonly HeatRow[], options: TerminalOptions): string {
  const { lengths, depths, at } = heatGrid(rows);
  return inBlocks(lengths, MAP_LENGTHS, (block) => {
    const lines = depths.map(
      (depth) =>
        `${depth}%`.padStart(5) + block.map((length) => cellText(at(length, depth), options)).join(""),
    );
    const titles = ["depth", ...block.map((length) => lengthLabel(length).padStart(CELL))].join("");
    return [titles, ...lines].join("\n");
  });
}

const inBlocks = (
  lengths: readonly number[],
  size: number,
  render: (block: readonly number[]) => string,
): string =>
  Array.from({ length: Math.ceil(lengths.length / size) }, (_, i) =>
    render(lengths.slice(i * size, (i + 1) * size)),
  ).join("\n\n");

function cellText(row: HeatRow | undefined, { color, threshold }: TerminalOptions): string {
  if (!row) return "·".padStart(CELL - 1).padEnd(CELL);
  const text = `${scoreText(row.mean)}${row.high < threshold ? "!" : " "}`.padStart(CELL);
  if (!color) return text;
  const ink = takesDarkText(row.mean) ? "30" : "97";
  return `\u001b[48;2;${colorOf(row.mean).join(";")};${ink}m${text}\u001b[0m`;
}

/** Means by task and length, each with its interval. */
export function lengthTable(rows: readonly LengthRow[]): string {
  const lengths = [...new Set(rows.map(({ length }) => length))].sort((a, b) => a - b);
  return inBlocks(lengths, TABLE_LENGTHS, (block) => {
    const columns = [
      { title: "task" },
      ...block.map((length) => ({ title: lengthLabel(length), align: "right" as const })),
    ];
    const lines = tasksOf(rows).map((task) => [
      task,
      ...block.map((length) => {
        const row = rows.find((candidate) => candidate.task === task && candidate.length === length);
        return row ? estimateText(row) : "";
      }),
    ]);
    return renderTable(columns, lines);
  });
}

/** What a benchmark reports beside lengths. Groups may be words of a dataset. */
export const groupTable = (rows: readonly GroupRow[]): string =>
  renderTable(
    [
      { title: "task" },
      { title: "group" },
      { title: "n", align: "right" },
      { title: "score", align: "right" },
    ],
    rows.map((row) => [row.task, printable(row.group, 40), String(row.n), estimateText(row)]),
  );

const estimateText = ({ mean, low, high }: ScoreEstimate): string =>
  `${scoreText(mean)} [${scoreText(low)}-${scoreText(high)}]`;
