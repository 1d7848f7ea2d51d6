import { expect, test } from "vitest";
import type { PositionStats } from "../../tools/validate/logit-stats.ts";
import { summariseLogits } from "../../tools/validate/logit-summary.ts";

const position = (changes: Partial<PositionStats>): PositionStats => ({
  kl: 0,
  referenceLogProb: Number.NaN,
  candidateLogProb: Number.NaN,
  referenceTop1: 0,
  candidateTop1: 0,
  top5Overlap: 5,
  entropy: 1,
  finite: true,
  ...changes,
});

test("means, standard errors and percentiles of a case small enough to do by hand", () => {
  const summary = summariseLogits([
    position({ kl: 1, referenceLogProb: Math.log(0.5), candidateLogProb: Math.log(0.25) }),
    position({
      kl: 2,
      referenceLogProb: Math.log(0.125),
      candidateLogProb: Math.log(0.25),
      candidateTop1: 1,
    }),
    position({ kl: 3, top5Overlap: 2 }),
    position({ kl: 6, top5Overlap: 4 }),
  ]);
  expect(summary).toMatchObject({ positions: 4, nonFinite: 0 });
  // Mean 3, deviations -2, -1, 0, 3: a variance of 14 / 3 over 4 positions.
  expect(summary.kl.mean).toBe(3);
  expect(summary.kl.error).toBeCloseTo(Math.sqrt(14 / 3 / 4), 12);
  expect(summary.kl).toMatchObject({ median: 2.5, min: 1, max: 6 });
  // Rank 0.9 * 3 = 2.7: 3 + 0.7 * 3.
  expect(summary.kl.p90).toBeCloseTo(5.1, 12);
  expect(summary.kl.p95).toBeCloseTo(5.55, 12);
  expect(summary.kl.p99).toBeCloseTo(5.91, 12);
  expect(summary.kl.p999).toBeCloseTo(5.991, 12);
  expect(summary.top1.mean).toBe(0.75);
  expect(summary.top1.error).toBeCloseTo(Math.sqrt((3 * 0.0625 + 0.5625) / 3 / 4), 12);
  expect(summary.top5).toBeCloseTo(0.8, 12);
  // exp of the mean of ln 2 and ln 8 is 4; the mean's error is ln 2, and the delta method multiplies it by 4.
  expect(summary.perplexity.reference.mean).toBeCloseTo(4, 12);
  expect(summary.perplexity.reference.error).toBeCloseTo(4 * Math.log(2), 12);
  expect(summary.perplexity.candidate.mean).toBeCloseTo(4, 12);
  expect(summary.perplexity.candidate.error).toBeCloseTo(0, 12);
  // Paired: ln 2 and -ln 2.
  expect(summary.logRatio.mean).toBeCloseTo(0, 12);
  expect(summary.logRatio.error).toBeCloseTo(Math.log(2), 12);
  expect(summary.deltaP.mean).toBeCloseTo(-0.0625, 12);
  expect(summary.deltaP.rms).toBeCloseTo(Math.sqrt((0.0625 + 0.015625) / 2), 12);
});

test("a ratio of perplexities that every token shares has no error, however the tokens differ", () => {
  const rows = [-1, -4, -9, -2].map((log) =>
    position({ referenceLogProb: log, candidateLogProb: log - 0.25 }),
  );
  const { logRatio, perplexity } = summariseLogits(rows);
  expect(logRatio).toEqual({ mean: 0.25, error: 0 });
  expect(perplexity.candidate.mean / perplexity.reference.mean).toBeCloseTo(Math.exp(0.25), 12);
  expect(perplexity.candidate.error).toBeGreaterThan(1);
});

test("positions that are not finite are counted and left out", () => {
  const summary = summariseLogits([
    position({ kl: Number.NaN, finite: false }),
    position({ kl: 0.5 }),
    position({ kl: 0.5 }),
  ]);
  expect(summary).toMatchObject({ positions: 3, nonFinite: 1, kl: { mean: 0.5, error: 0, max: 0.5 } });
  const none = summariseLogits([position({ kl: Number.NaN, finite: false })]);
  expect(none).toMatchObject({ positions: 1, nonFinite: 1, kl: { mean: Number.NaN, median: Number.NaN } });
});
