import { describe, expect, test } from "vitest";
import { createLogitStats, type PositionStats } from "../../tools/validate/logit-stats.ts";
import { summariseLogits } from "../../tools/validate/logit-summary.ts";
import { seededRandom } from "../support/scratch.ts";

/** All at once in f64, as the formulas stand in a textbook. */
function direct(reference: Float64Array, candidate: Float64Array, target: number) {
  const logSoftmax = (logits: Float64Array): Float64Array => {
    const peak = logits.reduce((a, b) => Math.max(a, b));
    const total = logits.reduce((sum, value) => sum + Math.exp(value - peak), 0);
    return logits.map((value) => value - peak - Math.log(total));
  };
  const [p, q] = [logSoftmax(reference), logSoftmax(candidate)];
  const top = (values: Float64Array): number[] =>
    Array.from(values.keys())
      .sort((a, b) => values[b] - values[a] || a - b)
      .slice(0, 5);
  const [a, b] = [top(reference), top(candidate)];
  return {
    kl: p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]), 0),
    referenceLogProb: p[target],
    candidateLogProb: q[target],
    referenceTop1: a[0],
    candidateTop1: b[0],
    top5Overlap: a.filter((id) => b.includes(id)).length,
    entropy: -p.reduce((sum, value) => sum + (value === -Infinity ? 0 : Math.exp(value) * value), 0),
  };
}

/** Feeds rows of logits in tiles that begin at `cuts`, some positions at a time. */
function streamed(
  reference: readonly Float32Array[],
  candidate: readonly Float32Array[],
  targets: readonly number[],
  cuts: readonly number[],
): PositionStats[] {
  const vocab = reference[0].length;
  const stats = createLogitStats(Int32Array.from(targets), true);
  const bounds = [0, ...cuts, vocab];
  for (let tile = 0; tile + 1 < bounds.length; tile++)
    for (let first = 0; first < targets.length; first += 3) {
      const positions = Math.min(3, targets.length - first);
      const [from, width] = [bounds[tile], bounds[tile + 1] - bounds[tile]];
      const part = (rows: readonly Float32Array[]): Float32Array => {
        const values = new Float32Array(positions * width);
        for (let i = 0; i < positions; i++)
          values.set(rows[first + i].subarray(from, from + width), i * width);
        return values;
      };
      stats.add({ first, positions, from, width, reference: part(reference), candidate: part(candidate) });
    }
  return targets.map((_, i) => stats.row(i));
}

describe("statistics of a position, whatever the tiles", () => {
  const random = seededRandom(1);
  const vocab = 500;
  const logits = (scale: number): Float32Array =>
    Float32Array.from({ length: vocab }, () => scale * (random() + random() + random() - 1.5));

  test.each([
    ["one tile", []],
    ["even tiles", [100, 200, 300, 400]],
    ["odd tiles", [1, 2, 77, 499]],
  ] as const)("%s", (_, cuts) => {
    for (const scale of [0.1, 3, 40, 1e4]) {
      const reference = Array.from({ length: 7 }, () => logits(scale));
      const candidate = reference.map((row) => row.map((value) => value + 0.1 * scale * (random() - 0.5)));
      // Ties: the earlier token stands first.
      candidate[2].fill(
        candidate[2].reduce((a, b) => Math.max(a, b)),
        250,
        260,
      );
      const targets = reference.map(() => Math.floor(random() * vocab));
      for (const [i, row] of streamed(reference, candidate, targets, cuts).entries()) {
        const expected = direct(Float64Array.from(reference[i]), Float64Array.from(candidate[i]), targets[i]);
        expect(row.finite).toBe(true);
        for (const [field, value] of Object.entries(expected)) {
          const found = row[field as keyof typeof expected];
          expect(Math.abs(found - value), `${field} ${found} ${value}`).toBeLessThan(
            1e-9 * Math.max(1, Math.abs(value), scale),
          );
        }
      }
    }
  });

  test("equal logits: no divergence, the same tokens", () => {
    const row = logits(5);
    const [stats] = streamed([row], [row.slice()], [3], [99]);
    expect(Math.abs(stats.kl)).toBeLessThan(1e-12);
    expect(stats).toMatchObject({ top5Overlap: 5, finite: true });
    expect(stats.candidateTop1).toBe(stats.referenceTop1);
  });

  test("a token that the model rules out is not an error, a NaN is", () => {
    const row = logits(2);
    const ruledOut = row.slice();
    ruledOut[7] = Number.NEGATIVE_INFINITY;
    expect(streamed([ruledOut], [row], [0], [8])[0]).toMatchObject({ finite: true });
    // The candidate rules out what the reference does not: infinitely far.
    expect(streamed([row], [ruledOut], [0], [8])[0].kl).toBe(Number.POSITIVE_INFINITY);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const bad = row.slice();
      bad[300] = value;
      expect(streamed([row], [bad], [0], [8])[0].finite).toBe(false);
      expect(streamed([bad], [row], [0], [8])[0].finite).toBe(false);
    }
    const nothing = new Float32Array(vocab).fill(Number.NaN);
    expect(streamed([row], [nothing], [0], [100])[0].finite).toBe(false);
  });

  test("a position without a next token has no log-probability", () => {
    const row = logits(1);
    const [stats] = streamed([row], [row], [-1], []);
    expect(stats.candidateLogProb).toBeNaN();
    expect(summariseLogits([stats]).positions).toBe(1);
  });
});

test("the summary of three positions, by hand", () => {
  const row = (
    kl: number,
    referenceLogProb: number,
    candidateLogProb: number,
    same: boolean,
  ): PositionStats => ({
    kl,
    referenceLogProb,
    candidateLogProb,
    referenceTop1: 1,
    candidateTop1: same ? 1 : 2,
    top5Overlap: same ? 5 : 3,
    entropy: 1,
    finite: true,
  });
  const rows = [row(0, -1, -1, true), row(0.1, -2, -2.5, true), row(0.5, -3, -2, false)];
  const summary = summariseLogits([...rows, { ...rows[0], finite: false }]);
  expect(summary).toMatchObject({ positions: 4, nonFinite: 1 });
  expect(summary.kl.mean).toBeCloseTo(0.2, 12);
  // Deviations -0.2, -0.1, 0.3: variance 0.14 / 2 = 0.07, over three positions.
  expect(summary.kl.error).toBeCloseTo(Math.sqrt(0.07 / 3), 12);
  expect(summary.kl).toMatchObject({ median: 0.1, min: 0, max: 0.5 });
  expect(summary.kl.p90).toBeCloseTo(0.1 + 0.8 * 0.4, 12);
  expect(summary.top1.mean).toBeCloseTo(2 / 3, 12);
  expect(summary.top5).toBeCloseTo((1 + 1 + 0.6) / 3, 12);
  expect(summary.perplexity.reference.mean).toBeCloseTo(Math.exp(2), 10);
  // The error of a perplexity is the perplexity times that of the mean log-probability: here sqrt(1 / 3).
  expect(summary.perplexity.reference.error).toBeCloseTo(Math.exp(2) * Math.sqrt(1 / 3), 10);
  expect(summary.logRatio.mean).toBeCloseTo((0 + 0.5 - 1) / 3, 12);
  const deltas = [0, Math.exp(-2.5) - Math.exp(-2), Math.exp(-2) - Math.exp(-3)];
  expect(summary.deltaP.rms).toBeCloseTo(Math.sqrt(deltas.reduce((sum, d) => sum + d * d, 0) / 3), 12);
});
