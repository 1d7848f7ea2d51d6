import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { HeatRow } from "../schemas/long-context.ts";
import { heatGrid, lengthLabel, scoreText } from "./axes.ts";
import { colorOf, cssColor, takesDarkText } from "./color-scale.ts";

const CELL_WIDTH = 58;
const CELL_HEIGHT = 28;
const MARGIN = { left: 64, right: 12, top: 12, bottom: 44 } as const;
const NOT_RUN = "not-run";

/** The heat map of one task as SVG. What was not run is hatched, never guessed from its neighbours. */
export function heatMapSvg(rows: readonly HeatRow[], threshold: number): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const { lengths, depths, at } = heatGrid(rows);
  const cells = lengths.flatMap((length) =>
    depths.map((depth) => {
      const row = at(length, depth);
      return { x: lengthLabel(length), y: `${depth}%`, row };
    }),
  );
  const run = cells.flatMap(({ x, y, row }) => (row ? [{ x, y, row }] : []));
  const below = run.filter(({ row }) => row.high < threshold);
  const plot = Plot.plot({
    document,
    width: MARGIN.left + MARGIN.right + CELL_WIDTH * lengths.length,
    height: MARGIN.top + MARGIN.bottom + CELL_HEIGHT * depths.length,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    padding: 0.04,
    x: { domain: lengths.map(lengthLabel), label: "length in tokens" },
    y: { domain: depths.map((depth) => `${depth}%`), label: "depth" },
    marks: [
      Plot.cell(
        cells.filter(({ row }) => !row),
        { x: "x", y: "y", fill: `url(#${NOT_RUN})`, stroke: "#bbb" },
      ),
      Plot.cell(run, { x: "x", y: "y", fill: ({ row }) => cssColor(colorOf(row.mean)), title: titleOf }),
      Plot.cell(below, { x: "x", y: "y", fill: "none", stroke: "#e00", strokeWidth: 2.5, inset: 1.5 }),
      Plot.text(run, {
        x: "x",
        y: "y",
        text: ({ row }) => scoreText(row.mean),
        fill: ({ row }) => (takesDarkText(row.mean) ? "black" : "white"),
      }),
    ],
    // The colours are ours already.
    color: { type: "identity" },
  });
  const svg = String(plot.outerHTML);
  const pattern =
    `<defs><pattern id="${NOT_RUN}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
    '<rect width="6" height="6" fill="#f2f2f2"/><rect width="1.5" height="6" fill="#999"/></pattern></defs>';
  return svg.replace(/(<svg[^>]*>)/, `$1${pattern}`);
}

const titleOf = ({ row }: { readonly row: HeatRow }): string =>
  `${scoreText(row.mean)} [${scoreText(row.low)}, ${scoreText(row.high)}], n = ${row.n}` +
  (row.firstTokenMs > 0 ? `, first token after ${(row.firstTokenMs / 1000).toFixed(1)} s` : "");
