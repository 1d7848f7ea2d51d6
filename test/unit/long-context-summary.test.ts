import { expect, test } from "vitest";
import { chiSquaredTail, estimate, wilson } from "../../evals/longctx/intervals.ts";
import { NEEDLE_TASKS } from "../../evals/longctx/ruler.ts";
import { type ScoredRow, summarize } from "../../evals/longctx/summary.ts";

const row = (facts: object, score: number, id = "0", firstTokenMs?: number): ScoredRow => ({
  id,
  score,
  facts: { task: "niah_single_1", length: 4096, promptTokens: 4000, ...facts },
  ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
});

test.each([
  // As the specification of these evaluations computes them for LiveCodeBench.
  [966, 1055, 0.897, 0.931],
  [160, 175, 0.863, 0.947],
])("Wilson's interval of %d in %d", (hits, n, low, high) => {
  const interval = wilson(hits, n);
  expect(interval.low).toBeCloseTo(low, 3);
  expect(interval.high).toBeCloseTo(high, 3);
});

test("certain results keep an interval, and contain their mean", () => {
  expect(estimate([1, 1, 1])).toMatchObject({ mean: 1, high: 1 });
  expect(estimate([1, 1, 1]).low).toBeCloseTo(0.4385, 4);
  expect(estimate([0, 0, 0])).toMatchObject({ mean: 0, low: 0 });
  expect(estimate([0.25])).toEqual({ n: 1, mean: 0.25, low: 0, high: 1 });
  expect(estimate([])).toEqual({ n: 0, mean: 0, low: 0, high: 1 });
});

test("shares get a bootstrap interval that is near the normal one, and the same every time", () => {
  const scores = Array.from({ length: 200 }, (_, i) => [0, 0.25, 0.5, 1][i % 4]);
  const { mean, low, high } = estimate(scores);
  const half = (1.96 * Math.sqrt(scores.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 199)) / Math.sqrt(200);
  expect(low).toBeCloseTo(mean - half, 2);
  expect(high).toBeCloseTo(mean + half, 2);
  expect(estimate(scores)).toEqual(estimate(scores));
});

test.each([
  [3.841, 1, 0.05],
  [7.815, 3, 0.05],
  [30.578, 15, 0.01],
])("chi-squared %d with %d degrees", (value, degrees, tail) => {
  expect(Math.abs(chiSquaredTail(value, degrees) - tail)).toBeLessThan(0.003);
});

test("samples of one problem count as one", async () => {
  const rows = [row({}, 1, "a"), row({}, 0, "a"), row({}, 1, "b")];
  const { lengths } = await summarize(rows);
  expect(lengths).toHaveLength(1);
  expect(lengths[0]).toMatchObject({ n: 2, mean: 0.75 });
});

test("heat: by length and depth, with times where there are some", async () => {
  const rows = [
    row({ requestedDepth: 0 }, 1, "a", 2000),
    row({ requestedDepth: 0 }, 0, "b", 4000),
    row({ requestedDepth: 50 }, 1, "c"),
    // Where no depth was asked for, the measured one in steps of ten percent.
    row({ depths: [0.52] }, 0, "d"),
    row({ depths: [0.1, 0.9] }, 0, "e"),
  ];
  const { heat } = await summarize(rows);
  expect(heat.map(({ depth, n, mean, firstTokenMs }) => [depth, n, mean, firstTokenMs])).toEqual([
    [0, 2, 0.5, 3000],
    [50, 2, 0.5, 0],
  ]);
  expect(heat[0].prefillTokensPerSecond).toBe((2000 + 1000) / 2);
});

test("RULER: the greatest length above 85.6, weighted means, and how many tasks they are over", async () => {
  const tasks = [...NEEDLE_TASKS.map(({ name }) => name), "vt", "cwe", "fwe", "qa_1", "qa_2"];
  const means = new Map([
    [4096, 0.9],
    [8192, 0.87],
    [16384, 0.85],
  ]);
  const rowsOf = (chosen: readonly string[]) =>
    chosen.flatMap((task) => [...means].map(([length, score]) => row({ task, length }, score, `${length}`)));
  const { ruler, lengths } = await summarize(rowsOf(tasks));
  expect(ruler).toMatchObject({ tasks: 13, complete: true, effectiveLength: 8192 });
  expect(ruler?.weightedIncreasing).toBeCloseTo((0.9 + 2 * 0.87 + 3 * 0.85) / 6, 12);
  expect(ruler?.weightedDecreasing).toBeCloseTo((3 * 0.9 + 2 * 0.87 + 0.85) / 6, 12);
  expect(lengths.filter(({ task }) => task === "mean").map(({ length }) => length)).toEqual([
    ...means.keys(),
  ]);
  expect((await summarize(rowsOf(tasks.slice(0, 11)))).ruler).toMatchObject({ tasks: 11, complete: false });
  // A length that lacks a task has no mean.
  const lacking = await summarize(rowsOf(tasks).slice(1));
  expect(lacking.lengths.filter(({ task }) => task === "mean")).toHaveLength(2);
  expect((await summarize(rowsOf(["mrcr-2needle", "mrcr-4needle"]))).ruler).toBeUndefined();
});

test("a fault with the period of a compressor shows, and luck does not", async () => {
  const placed = (scoreOf: (offset: number) => number) =>
    Array.from({ length: 1200 }, (_, i) => {
      const offset = (i * 37) % 3900;
      return row({ needleOffsets: [offset] }, scoreOf(offset), `${i}`);
    });
  const chances = async (scoreOf: (offset: number) => number) =>
    Object.fromEntries(
      (await summarize(placed(scoreOf))).periodicity.map(({ grouping, chance }) => [grouping, chance]),
    );
  const every4 = await chances((offset) => (offset % 4 === 3 ? 0 : 1));
  expect(every4["depth mod 4"]).toBeLessThan(1e-6);
  expect(every4["distance to the end"]).toBeGreaterThan(0.01);
  const windowOnly = await chances((offset) => (4000 - offset <= 128 ? 1 : 0));
  expect(windowOnly["distance to the end"]).toBeLessThan(1e-6);
  const luck = await chances((offset) => ((offset * 2654435761) % 2 ** 32 < 2 ** 31 ? 1 : 0));
  expect(Math.min(...Object.values(luck))).toBeGreaterThan(0.001);
  expect(Object.values(await chances(() => 1))).toEqual([1, 1, 1, 1]);
});

test("answers that list the context, and series that must not be mixed, are told", async () => {
  const rows = [
    row({ dumped: true, answerPrefix: "used" }, 1, "a"),
    row({ answerPrefix: "omitted" }, 1, "b"),
  ];
  expect(await summarize(rows)).toMatchObject({ dumped: 1, answerPrefixes: ["omitted", "used"] });
});

test("MRCR: mean match ratio, lenient, and how often the start was missing", async () => {
  const of = (id: string, length: number, score: number, lenient: number, startMissing: boolean) =>
    row({ task: "mrcr-2needle", length, lenient, startMissing }, score, id);
  const { groups, lengths } = await summarize([
    of("a", 8192, 1, 1, false),
    of("b", 8192, 0, 0.9, true),
    of("c", 16384, 0.5, 0.5, false),
  ]);
  expect(groups.map(({ group, n, mean }) => [group, n, Number(mean.toFixed(4))])).toEqual([
    ["all lengths", 3, 0.5],
    ["white space before the start forgiven", 3, 0.8],
    ["start missing", 3, 0.3333],
  ]);
  expect(lengths.map(({ length, mean }) => [length, mean])).toEqual([
    [8192, 0.5],
    [16384, 0.5],
  ]);
});

test("LongBench: by difficulty and length class, and no point on the length axis", async () => {
  const of = (id: string, difficulty: string, lengthClass: string, score: number): ScoredRow => ({
    id,
    score,
    facts: { task: "longbench-v2", difficulty, lengthClass, promptTokens: 9000 },
  });
  const { groups, lengths, heat } = await summarize([
    of("a", "easy", "short", 1),
    of("b", "hard", "short", 0),
    of("c", "hard", "long", 1),
  ]);
  expect(Object.fromEntries(groups.map(({ group, n, mean }) => [group, [n, mean]]))).toEqual({
    all: [3, 2 / 3],
    easy: [1, 1],
    short: [2, 0.5],
    hard: [2, 0.5],
    long: [1, 1],
  });
  expect([lengths, heat]).toEqual([[], []]);
});
