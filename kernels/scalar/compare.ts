import type { Comparison } from "../kernels.ts";

const LANES = 8;

/** Value i belongs to lane i mod 8 of every sum; the lanes are added in order in the end. */
export function compare(x: Float32Array, y: Float32Array): Comparison {
  if (x.length !== y.length) throw new RangeError(`compare: ${x.length} values beside ${y.length}`);
  const [error, reference, candidate, product, most] = Array.from(
    { length: 5 },
    () => new Float64Array(LANES),
  );
  let unequal = 0;
  for (let i = 0; i < x.length; i++) {
    const lane = i % LANES;
    const difference = Math.fround(y[i] - x[i]);
    const magnitude = Math.abs(difference);
    error[lane] += difference * difference;
    reference[lane] += x[i] * x[i];
    candidate[lane] += y[i] * y[i];
    product[lane] += x[i] * y[i];
    if (difference !== 0) unequal++;
    // NaN stays.
    most[lane] = Math.max(most[lane], magnitude);
  }
  const sum = (lanes: Float64Array): number => lanes.reduce((total, value) => total + value, 0);
  return {
    unequal,
    squaredError: sum(error),
    squaredReference: sum(reference),
    squaredCandidate: sum(candidate),
    product: sum(product),
    maxDifference: Math.max(...most),
  };
}
