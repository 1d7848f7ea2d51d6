import { clamp, inverseIf, min, roundEven } from "./f32.ts";

const fround = Math.fround;
/** A candidate has to be better by more than rounding noise, which would otherwise decide between exact fits. */
const TIE = fround(2e-6);
/** Below this part of S Sqq the determinant is rounding noise (all codes equal, or one dominant weight). */
const DEGENERATE = fround(1e-5);

/**
 * The weighted least-squares line x = a q + b through one sub-block, b <= 0, and the sums that rank it:
 * with S = sum w and so on, the error of the line is Sxx - (a Sxq + b Sx), so the best line has the largest
 * `gain` = a Sxq + b Sx and no pass over the data is needed to find that out.
 */
export interface AffineFit {
  a: number;
  b: number;
  gain: number;
  sq: number;
  sqq: number;
  sxq: number;
}

export interface AffineSearch {
  /** Largest code; codes are 0 .. qmax. */
  readonly qmax: number;
  /**
   * Candidates of the inverse scale in sweeps of four, as the code that the range [b, max x] is stretched to.
   * Every sweep starts from the best b so far.
   */
  readonly sweeps: readonly (readonly number[])[];
  /** How many of the sweeps are made without importance, which is easier to fit. */
  readonly plainSweeps: number;
  /** One last sweep around the winner: factors of its inverse scale. */
  readonly refine: readonly number[];
}

/** What a sub-block's values and weights add up to, computed by the caller in one pass. */
export interface SubBlockSums {
  readonly sw: number;
  readonly swx: number;
  /** min(x, 0) and max x. */
  readonly low: number;
  readonly high: number;
}

/** Tries the codes round(clamp(inverse x + offset)) and keeps their least-squares line in `fit` if it gains. */
function tryCodes(
  x: Float32Array,
  w: Float32Array | undefined,
  from: number,
  length: number,
  qmax: number,
  inverse: number,
  offset: number,
  { sw, swx }: SubBlockSums,
  fit: AffineFit,
): void {
  let sq = 0;
  let sqq = 0;
  let sxq = 0;
  for (let i = from; i < from + length; i++) {
    const q = roundEven(clamp(fround(fround(inverse * x[i]) + offset), 0, qmax));
    const wq = w ? fround(w[i] * q) : q;
    sq = fround(sq + wq);
    sqq = fround(sqq + fround(wq * q));
    sxq = fround(sxq + fround(wq * x[i]));
  }
  const product = fround(sw * sqq);
  const determinant = fround(product - fround(sq * sq));
  const regular = determinant > fround(product * DEGENERATE);
  const inverseDeterminant = inverseIf(regular, determinant);
  let a = fround(fround(fround(sw * sxq) - fround(swx * sq)) * inverseDeterminant);
  let b = fround(fround(fround(sqq * swx) - fround(sq * sxq)) * inverseDeterminant);
  if (!regular || b > 0) {
    a = fround(sxq * inverseIf(sqq > 0, sqq));
    b = 0;
  }
  const gain = fround(fround(a * sxq) + fround(b * swx));
  if (sqq > 0 && a >= 0 && gain > fround(fit.gain + fround(Math.abs(fit.gain) * TIE)))
    Object.assign(fit, { a, b, gain, sq, sqq, sxq });
}

/** The best line through `length` values from `from`; no weights means 1. A sub-block without range gets a = 0, b = low. */
export function fitAffine(
  x: Float32Array,
  w: Float32Array | undefined,
  from: number,
  length: number,
  { qmax, sweeps, plainSweeps, refine }: AffineSearch,
  sums: SubBlockSums,
): AffineFit {
  const { sw, swx, low, high } = sums;
  if (!(high > low)) return { a: 0, b: low, gain: 0, sq: 0, sqq: 0, sxq: 0 };
  const flat = sw > 0 ? min(fround(swx / sw), 0) : low;
  const fit: AffineFit = { a: 0, b: flat, gain: fround(flat * swx), sq: 0, sqq: 0, sxq: 0 };
  let start = low;
  for (const sweep of w ? sweeps : sweeps.slice(0, plainSweeps)) {
    const range = fround(high - start);
    const perCode = inverseIf(range > 0, range);
    for (const codes of sweep) {
      const inverse = fround(fround(codes) * perCode);
      tryCodes(x, w, from, length, qmax, inverse, -fround(start * inverse), sums, fit);
    }
    start = fit.b;
  }
  const around = inverseIf(fit.a > 0, fit.a);
  for (const factor of refine) {
    const inverse = fround(fround(factor) * around);
    tryCodes(x, w, from, length, qmax, inverse, -fround(start * inverse), sums, fit);
  }
  return fit;
}
