import { clamp, inverseIf, roundEven } from "./f32.ts";

const fround = Math.fround;
/** A candidate has to be better by more than rounding noise, which would otherwise decide between exact fits. */
const TIE = fround(2e-6);

export interface SymmetricSearch {
  /** Codes are -nmax .. nmax - 1. */
  readonly nmax: number;
  /** Candidates of the inverse scale, four to a sweep, as the code (times -1) of the largest value. */
  readonly sweeps: readonly (readonly number[])[];
  /** With weights, one last sweep around the winner: factors of its inverse scale. */
  readonly refine: readonly number[];
}

/**
 * The scale, of either sign, that fits values best as scale * code. A candidate is ranked by the gain A^2 / B of
 * its codes (A = sum w x q, B = sum w q^2), which is what their least-squares scale A / B takes off the error
 * sum w x^2; the error itself is never computed. No weights means 1, and then the last sweep gains too little for its time. All zero
 * values give 0.
 */
export function fitSymmetric(
  x: Float32Array,
  w: Float32Array | undefined,
  from: number,
  length: number,
  { nmax, sweeps, refine }: SymmetricSearch,
): number {
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
      const q = roundEven(clamp(fround(inverse * x[i]), -nmax, nmax - 1));
      const wq = w ? fround(w[i] * q) : q;
      a = fround(a + fround(wq * x[i]));
      b = fround(b + fround(wq * q));
    }
    const candidate = fround(a * inverseIf(b > 0, b));
    const gain = fround(a * candidate);
    if (gain > fround(best + fround(best * TIE))) {
      best = gain;
      scale = candidate;
    }
  };
  const unit = inverseIf(peak > 0, -extreme);
  for (const codes of sweeps) for (const code of codes) tryCodes(fround(fround(code) * unit));
  if (!w) return scale;
  const around = inverseIf(scale !== 0, scale);
  for (const factor of refine) tryCodes(fround(fround(factor) * around));
  return scale;
}

/** The scale code among code, code - 1, code + 1 whose codes leave the least true error, now that d is rounded. */
export function rechooseSymmetric(
  x: Float32Array,
  w: Float32Array,
  from: number,
  length: number,
  nmax: number,
  d: number,
  code: number,
  codeMax: number,
): number {
  let best = 0;
  let bestError = Number.POSITIVE_INFINITY;
  for (const step of [0, -1, 1]) {
    const candidate = clamp(code + step, -codeMax, codeMax - 1);
    const scale = fround(d * candidate);
    const inverse = inverseIf(scale !== 0, scale);
    let error = 0;
    for (let i = from; i < from + length; i++) {
      const q = roundEven(clamp(fround(x[i] * inverse), -nmax, nmax - 1));
      const difference = fround(x[i] - fround(scale * q));
      error = fround(error + fround(w[i] * fround(difference * difference)));
    }
    if (error < bestError) {
      bestError = error;
      best = candidate;
    }
  }
  return best;
}
