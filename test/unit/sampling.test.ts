import { describe, expect, test } from "vitest";
import { createSampler, type Sampling } from "../../tools/reference/sampling.ts";

const GREEDY: Sampling = { temperature: 0, topP: 1, seed: 0 };
const logits = Float32Array.of(1, -0.5, 2, 2, 0, -3, 1.25, -Infinity);

/** softmax(logits / temperature) in float64, cut to the likeliest ids whose sum first reaches topP. */
function distribution(values: Float32Array, temperature: number, topP: number): number[] {
  const weights = Array.from(values, (value) => Math.exp(value / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  const order = weights.map((_, id) => id).sort((a, b) => weights[b] - weights[a] || a - b);
  const kept = new Set<number>();
  let sum = 0;
  for (const id of order) {
    if (sum >= topP) break;
    kept.add(id);
    sum += weights[id] / total;
  }
  return weights.map((weight, id) => (kept.has(id) ? weight / total / sum : 0));
}

const draws = (options: Sampling, count: number): number[] => {
  const sample = createSampler(options);
  return Array.from({ length: count }, () => sample(logits).id);
};

describe("greedy", () => {
  test("the likeliest; of equals the one with the lowest id, whatever topP and seed", () => {
    for (const options of [GREEDY, { ...GREEDY, topP: 0.01 }, { ...GREEDY, seed: 9 }])
      expect(draws(options, 3)).toEqual([2, 2, 2]);
    expect(createSampler(GREEDY)(Float32Array.of(0, 0, 0)).id).toBe(0);
    expect(createSampler(GREEDY)(Float32Array.of(-3, -1, -2)).id).toBe(1);
    expect(createSampler(GREEDY)(Float32Array.of(-Infinity, -1e30)).id).toBe(1);
  });

  test("a temperature near 0 takes one of the likeliest", () => {
    const ids = draws({ temperature: 1e-6, topP: 1, seed: 3 }, 200);
    expect(new Set(ids)).toEqual(new Set([2, 3]));
  });
});

describe("draws follow the exact distribution", () => {
  const COUNT = 40_000;
  // The 99.99 % points of chi-squared by degrees of freedom.
  const CHI_SQUARED = [0, 15.14, 18.42, 21.11, 23.51, 25.74, 27.86];

  test.each([
    [1, 1],
    [0.5, 1],
    [2, 1],
    [1, 0.9],
    [1, 0.75],
    [1.5, 0.5],
    [1, 0.3],
    [1, 0.31],
    [1, 1e-9],
  ])("temperature %d, topP %d", (temperature, topP) => {
    const exact = distribution(logits, temperature, topP);
    for (const seed of [1, 2]) {
      const seen = new Array<number>(logits.length).fill(0);
      for (const id of draws({ temperature, topP, seed }, COUNT)) seen[id]++;
      const possible = exact.flatMap((p, id) => (p > 0 ? [id] : []));
      for (const [id, p] of exact.entries()) if (p === 0) expect(seen[id], `id ${id}`).toBe(0);
      const chi = possible.reduce(
        (sum, id) => sum + (seen[id] - COUNT * exact[id]) ** 2 / (COUNT * exact[id]),
        0,
      );
      expect(chi).toBeLessThanOrEqual(CHI_SQUARED[possible.length - 1]);
    }
  });

  test("the token that reaches topP takes part, the next does not, and equals go by id", () => {
    const quarters = Float32Array.of(0, 0, 0, 0);
    const ids = (topP: number): number[] => {
      const sample = createSampler({ temperature: 1, topP, seed: 5 });
      return [...new Set(Array.from({ length: 300 }, () => sample(quarters).id))].sort();
    };
    expect(ids(0.25)).toEqual([0]);
    expect(ids(0.26)).toEqual([0, 1]);
    expect(ids(0.5)).toEqual([0, 1]);
    expect(ids(1)).toEqual([0, 1, 2, 3]);
  });
});

describe("the log-probability", () => {
  const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);

  test("is the model's, before temperature and topP", () => {
    for (const options of [
      GREEDY,
      { temperature: 3, topP: 0.9, seed: 1 },
      { temperature: 0.2, topP: 1, seed: 2 },
    ]) {
      const sample = createSampler(options);
      for (let i = 0; i < 50; i++) {
        const { id, logProb } = sample(logits);
        expect(logProb).toBeCloseTo(Math.log(Math.exp(logits[id]) / total), 12);
      }
    }
  });

  test("stays exact where exp would overflow", () => {
    const shifted = logits.map((value) => value + 1000);
    expect(createSampler(GREEDY)(shifted).logProb).toBeCloseTo(createSampler(GREEDY)(logits).logProb, 6);
    expect(draws({ temperature: 1, topP: 0.9, seed: 4 }, 1)).toEqual([
      createSampler({ temperature: 1, topP: 0.9, seed: 4 })(shifted).id,
    ]);
  });
});

test("the same seed draws the same tokens, another seed others, and samplers don't share their numbers", () => {
  const options = { temperature: 1, topP: 1, seed: 11 };
  const alone = draws(options, 100);
  expect(draws(options, 100)).toEqual(alone);
  for (const seed of [0, 12, -11, 2 ** 31]) expect(draws({ ...options, seed }, 100)).not.toEqual(alone);
  const [one, other] = [createSampler(options), createSampler(options)];
  for (const id of alone) {
    expect(one(logits).id).toBe(id);
    expect(other(logits).id).toBe(id);
  }
});

test("the logits are only read", () => {
  const before = logits.slice();
  draws({ temperature: 0.7, topP: 0.8, seed: 1 }, 10);
  expect(logits).toEqual(before);
});

test("logits that are no numbers are the model's fault, and no token", () => {
  const sample = createSampler({ temperature: 0, topP: 1, seed: 0 });
  for (const at of [0, 2])
    expect(() => sample(Float32Array.of(1, 2, 3).fill(Number.NaN, at, at + 1))).toThrow(/not finite/);
  expect(() => sample(new Float32Array(3).fill(Number.NaN))).toThrow(/not finite/);
});
