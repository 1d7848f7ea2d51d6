import type { ScoreEstimate } from "../../reports/schemas/long-context.ts";
import { randomOf } from "./random.ts";

/** Of the normal distribution, for 95 % on two sides. */
const Z = 1.959963984540054;

const RESAMPLES = 10_000;

/**
 * Mean and 95 % interval of scores, one for each problem: Wilson's where all are 0 or 1, else the percentiles of a seeded
 * bootstrap over problems. Samples of one problem must have been averaged before.
 */
export function estimate(scores: readonly number[]): ScoreEstimate {
  const n = scores.length;
  if (n === 0) return { n, mean: 0, low: 0, high: 1 };
  const mean = meanOf(scores);
  if (scores.every((score) => score === 0 || score === 1)) return { n, mean, ...wilson(mean * n, n) };
  // One value says nothing of how others scatter.
  if (n === 1) return { n, mean, low: 0, high: 1 };
  return { n, mean, ...bootstrap(scores) };
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Wilson's score interval (1927) of `hits` among `n`. */
export function wilson(hits: number, n: number): { low: number; high: number } {
  const share = hits / n;
  const scale = 1 + Z ** 2 / n;
  const centre = (share + Z ** 2 / (2 * n)) / scale;
  const half = (Z / scale) * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2));
  // Rounding must not put a certain result beside its interval.
  return { low: hits === 0 ? 0 : centre - half, high: hits === n ? 1 : centre + half };
}

function bootstrap(scores: readonly number[]): { low: number; high: number } {
  const random = randomOf(`bootstrap|${scores.length}`);
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < scores.length; i++) sum += scores[random.below(scores.length)];
    return sum / scores.length;
  }).sort();
  return { low: means[Math.floor(0.025 * RESAMPLES)], high: means[Math.ceil(0.975 * RESAMPLES) - 1] };
}

/** The mean of independent means, with the interval of a normal distribution whose variance theirs add up to. */
export function meanOfEstimates(estimates: readonly ScoreEstimate[]): ScoreEstimate {
  const mean = meanOf(estimates.map((part) => part.mean));
  const squares = estimates.reduce((sum, { low, high }) => sum + ((high - low) / 2) ** 2, 0);
  const half = Math.sqrt(squares) / Math.max(1, estimates.length);
  return {
    n: estimates.reduce((sum, { n }) => sum + n, 0),
    mean,
    low: Math.max(0, mean - half),
    high: Math.min(1, mean + half),
  };
}

/** Probability that a chi-squared variable of `degrees` is at least `value`: Wilson and Hilferty's approximation (1931). */
export function chiSquaredTail(value: number, degrees: number): number {
  const spread = 2 / (9 * degrees);
  const z = ((value / degrees) ** (1 / 3) - (1 - spread)) / Math.sqrt(spread);
  return normalTail(z);
}

/** Abramowitz and Stegun 26.2.17: within 7.5e-8. */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const weights = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const series = weights.reduceRight((sum, weight) => (sum + weight) * t, 0);
  return (Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI)) * series;
}
