import { inverseIf } from "./f32.ts";

const fround = Math.fround;
const TIE = fround(2e-6);

/** The sixteen levels of iq4_nl and iq4_xs, in units of the scale. */
export const IQ4_LEVELS = new Float32Array([
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
]);

/** Midpoints of neighbouring levels: a value on one belongs to the upper level. */
const MIDPOINTS = IQ4_LEVELS.slice(0, 15).map((level, i) => (level + IQ4_LEVELS[i + 1]) / 2);

/** Code of the nearest level. */
export function nearestIq4(value: number): number {
  let code = 0;
  for (const step of [8, 4, 2, 1]) if (value >= MIDPOINTS[code + step - 1]) code += step;
  return code;
}

/**
 * Where the largest value of a block may come to lie: candidates of the inverse scale, as the level (in units of
 * the scale) that it gets. Both ends of the level table are tried, since it is not symmetric.
 */
const CANDIDATES = [-127, -118, 113, -108, -136, 105, -99, 120].map(fround);
/** A last sweep around the winner: factors of its inverse scale. */
const REFINE = [1, 0.98, 1.02, 1.04].map(fround);

/**
 * The scale, of either sign, that fits values best as scale * level; ranked by the gain A^2 / B as in
 * fitSymmetric. No weights means 1. All zero values give 0.
 */
export function fitIq4(x: Float32Array, w: Float32Array | undefined, from: number, length: number): number {
  let peak = 0;
  let extreme = 0;
  for (let i = from; i < from + length; i++) {
    const magnitude = Math.abs(x[i]);
    if (magnitude > peak) {
      peak = magnitude;
      extreme = x[i];
    }
  }
  let best = 0;
  let scale = 0;
  const tryCodes = (inverse: number): void => {
    let a = 0;
    let b = 0;
    for (let i = from; i < from + length; i++) {
      const level = IQ4_LEVELS[nearestIq4(fround(inverse * x[i]))];
      const weighted = w ? fround(w[i] * level) : level;
      a = fround(a + fround(weighted * x[i]));
      b = fround(b + fround(weighted * level));
    }
    const candidate = fround(a * inverseIf(b > 0, b));
    const gain = fround(a * candidate);
    if (gain > fround(best + fround(best * TIE))) {
      best = gain;
      scale = candidate;
    }
  };
  const unit = inverseIf(peak > 0, extreme);
  for (const candidate of CANDIDATES) tryCodes(fround(candidate * unit));
  const around = inverseIf(scale !== 0, scale);
  for (const factor of REFINE) tryCodes(fround(factor * around));
  return scale;
}
