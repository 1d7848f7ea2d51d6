import { clamp, min, roundEven } from "./f32.ts";

const fround = Math.fround;

/** Candidates of the inverse scale, as distance of the code of the largest value from qmax; 0 first, so it wins ties. */
const STEPS = [0, -0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4].map(fround);
const SWEEPS = 5;
const SMALLEST = fround(1e-15);

/**
 * Codes 0 .. qmax and one scale for values >= 0 with weights: the scales (or mins) of a super-block's sub-blocks.
 * Nine inverse scales are ranked by their true error; then single codes move while the weighted correlation
 * (sum w x q)^2 / sum w q^2 grows. Returns the least-squares scale of the codes.
 */
export function fitScales(
  values: Float32Array,
  weights: Float32Array,
  count: number,
  qmax: number,
  codes: Uint8Array,
): number {
  codes.fill(0, 0, count);
  let largest = 0;
  for (let i = 0; i < count; i++) if (values[i] > largest) largest = values[i];
  if (!(largest > SMALLEST)) return 0;
  const unit = fround(1 / largest);

  let bestInverse = 0;
  let bestError = Number.POSITIVE_INFINITY;
  for (const step of STEPS) {
    const inverse = fround(fround(step + qmax) * unit);
    const scale = fround(1 / inverse);
    let error = 0;
    for (let i = 0; i < count; i++) {
      const q = roundEven(min(fround(inverse * values[i]), qmax));
      const difference = fround(values[i] - fround(scale * q));
      error = fround(error + fround(weights[i] * fround(difference * difference)));
    }
    if (error < bestError) {
      bestError = error;
      bestInverse = inverse;
    }
  }

  let sxq = 0;
  let sqq = 0;
  for (let i = 0; i < count; i++) {
    const q = roundEven(min(fround(bestInverse * values[i]), qmax));
    const wq = fround(weights[i] * q);
    codes[i] = q;
    sxq = fround(sxq + fround(wq * values[i]));
    sqq = fround(sqq + fround(wq * q));
  }
  for (let sweep = 0, changed = true; sweep < SWEEPS && changed; sweep++) {
    changed = false;
    for (let i = 0; i < count; i++) {
      const wx = fround(weights[i] * values[i]);
      const restX = fround(sxq - fround(wx * codes[i]));
      const restQ = fround(sqq - fround(fround(weights[i] * codes[i]) * codes[i]));
      if (!(restX > 0 && restQ > 0)) continue;
      const q = roundEven(clamp(fround(fround(values[i] * restQ) / restX), 0, qmax));
      const newX = fround(restX + fround(wx * q));
      const newQ = fround(restQ + fround(fround(weights[i] * q) * q));
      if (q === codes[i] || !(fround(fround(newX * newX) * sqq) > fround(fround(sxq * sxq) * newQ))) continue;
      codes[i] = q;
      sxq = newX;
      sqq = newQ;
      changed = true;
    }
  }
  return sqq > 0 ? fround(sxq / sqq) : 0;
}
