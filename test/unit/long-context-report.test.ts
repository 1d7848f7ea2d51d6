import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { lengthLabel } from "../../reports/long-context/axes.ts";
import { colorOf, cssColor } from "../../reports/long-context/color-scale.ts";
import { longContextHtml } from "../../reports/long-context/page.ts";
import { groupTable, lengthTable, terminalHeatMap } from "../../reports/long-context/terminal.ts";
import type { HeatRow, LengthRow } from "../../reports/schemas/long-context.ts";

const THRESHOLD = 0.856;
const cell = (length: number, depth: number, mean: number, high = Math.min(1, mean + 0.1)): HeatRow => ({
  task: "niah_single_2",
  length,
  depth,
  n: 3,
  mean,
  low: Math.max(0, mean - 0.1),
  high,
  firstTokenMs: 0,
  prefillTokensPerSecond: 0,
});
// 8K at 50 % was not run; 8K at 100 % is below the threshold.
const heat = [
  cell(4096, 0, 1),
  cell(4096, 50, 0.9),
  cell(4096, 100, 0.8),
  cell(8192, 0, 0.5, 0.9),
  cell(8192, 100, 0.25),
];
const lengths: LengthRow[] = [4096, 8192].flatMap((length) => [
  { task: "vt", length, n: 5, mean: 0.5, low: 0.4, high: 0.6 },
  { task: "mean", length, n: 5, mean: 0.75, low: 0.7, high: 0.8 },
]);
const page = (change = {}) =>
  longContextHtml({ title: "A run", lengths, heat, notes: ["essay-synth"], threshold: THRESHOLD, ...change });

test("lengths as people write them", () => {
  expect([96, 2048, 2176, 4096, 2 ** 20, 3 * 2 ** 19].map(lengthLabel)).toEqual([
    "96",
    "2K",
    "2176",
    "4K",
    "1M",
    "1536K",
  ]);
});

test("the scale is fixed from 0 to 1 and grows lighter all the way", () => {
  expect(cssColor(colorOf(0))).toBe("#00224e");
  expect(cssColor(colorOf(1))).toBe("#fee838");
  const lightness = Array.from({ length: 101 }, (_, i) => {
    const [red, green, blue] = colorOf(i / 100);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
  expect(lightness).toEqual([...lightness].sort((a, b) => a - b));
});

test("every cell that was run has its value; what was not is hatched; what failed has a border", () => {
  const { document } = parseHTML(page());
  const svg = [...document.querySelectorAll("figure svg")].at(-1)!;
  const texts = [...svg.querySelectorAll("[aria-label=text] text")].map((text) => text.textContent);
  expect(texts.sort()).toEqual(["0.25", "0.50", "0.80", "0.90", "1.00"]);
  const rectangles = [...svg.querySelectorAll("[aria-label=cell] rect")];
  const fills = rectangles.map((rect) => rect.getAttribute("fill") ?? rect.parentNode!.getAttribute("fill"));
  expect(fills.filter((fill) => fill === "url(#not-run)")).toHaveLength(1);
  for (const { mean } of heat) expect(fills).toContain(cssColor(colorOf(mean)));
  const bordered = [...svg.querySelectorAll("[aria-label=cell]")].filter(
    (group) => group.getAttribute("stroke") === "#e00",
  );
  expect(bordered).toHaveLength(1);
  expect(bordered[0].querySelectorAll("rect")).toHaveLength(1);
  expect(svg.querySelector("pattern")!.getAttribute("id")).toBe("not-run");
});

test("curves have an interval and a point for every row", () => {
  const { document } = parseHTML(page());
  const svg = document.querySelectorAll("figure")[0].querySelectorAll("svg");
  const plot = [...svg].at(-1)!;
  expect(plot.querySelectorAll("[aria-label=dot] circle")).toHaveLength(4);
  expect(plot.querySelectorAll("[aria-label=rule] line").length).toBe(4 + 1);
  // A sweep's lengths lie so close that not every one can have its label.
  const near = [1024, 1025, 1026, 2048].map((length) => ({ ...lengths[0], length }));
  const sweep = parseHTML(page({ lengths: near, heat: [] })).document;
  const labels = [...sweep.querySelectorAll('[aria-label="x-axis tick label"] text')];
  expect(labels.map((label) => label.textContent)).toEqual(["1K", "2K"]);
});

test("the page loads nothing and runs nothing; names are escaped", () => {
  const hostile = '<script>alert("x")</script>';
  const html = page({
    title: hostile,
    notes: [hostile],
    lengths: lengths.map((row) => ({ ...row, task: hostile })),
  });
  expect(html).not.toContain("<script");
  expect(html.replaceAll("http://www.w3.org/", "")).not.toMatch(/https?:|src=|@import/);
  expect(page()).toBe(page());
  // On a telephone a page is as wide as its window, and what is wider scrolls by itself.
  expect(page()).toMatch(/name="viewport"/);
  expect(page()).toMatch(/\.wide \{ overflow-x: auto/);
  expect(page({ lengths: [], heat: [] })).toContain("A run");
});

test("the terminal's map: values, marks, and a dot where nothing was run", () => {
  const plain = terminalHeatMap(heat, { color: false, threshold: THRESHOLD });
  expect(plain.split("\n")).toEqual([
    "depth     4K     8K",
    "   0%  1.00   0.50 ",
    "  50%  0.90      · ",
    " 100%  0.80   0.25!",
  ]);
  const colored = terminalHeatMap(heat, { color: true, threshold: THRESHOLD });
  expect(colored).toContain("\u001b[48;2;254;232;56;30m  1.00 \u001b[0m");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ANSI sequences begin with one
  expect(colored.replace(/\u001b\[[\d;]*m/g, "")).toBe(plain);
  expect(lengthTable(lengths)).toContain("0.75 [0.70-0.80]");
  const sweep = Array.from({ length: 30 }, (_, i) => cell(96 + i, 0, 1));
  for (const wide of [terminalHeatMap(sweep, { color: false, threshold: THRESHOLD }), lengthTable(sweep)]) {
    expect(Math.max(...wide.split("\n").map((line) => line.length))).toBeLessThan(130);
    expect(wide).toContain(" 125");
  }
  // Groups may be words of a dataset.
  const hostile = [{ task: "longbench-v2", group: "\u001b]0;owned", n: 1, mean: 1, low: 1, high: 1 }];
  expect(groupTable(hostile)).not.toContain("\u001b");
  const groups = [{ task: "mrcr-2needle", group: "start missing", n: 4, mean: 0.25, low: 0.05, high: 0.7 }];
  expect(groupTable(groups)).toMatch(/mrcr-2needle {2}start missing {2}4 {2}0\.25 \[0\.05-0\.70\]/);
  expect(page({ groups })).toContain("<td>start missing</td><td>4</td><td>0.250</td><td>0.050–0.700</td>");
});
