import { type AffineFit, type AffineSearch, fitAffine, type SubBlockSums } from "./affine-fit.ts";
import { clamp, inverseIf, max, min, roundEven } from "./f32.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { keepEnergy } from "./keep-energy.ts";
import { TINY } from "./limits.ts";
import { fitScales } from "./scale-fit.ts";

const fround = Math.fround;
export const SUPER_BLOCK = 256;
/** Re-chosen scale codes have to beat the rounded ones by more than rounding noise. */
const TIE = fround(2e-5);
/** How far a min code may move from its rounded value when scales are re-chosen. */
const MIN_REACH = 2;

export interface AffineTraits extends AffineSearch {
  /** Elements per sub-block: 16 or 32. */
  readonly subLength: number;
  /** Largest scale and min code. */
  readonly scaleMax: number;
  /** Whether d and dmin are at last made to keep the block's energy (see keepEnergy). */
  readonly keepsEnergy: boolean;
}

/** A super-block y = d scale q - dmin min before its bits are packed. */
export interface AffineBlock {
  /** f16 bits. */
  d: number;
  dmin: number;
  readonly scales: Uint8Array;
  readonly mins: Uint8Array;
  readonly codes: Uint8Array;
}

export function createAffineBlock(): AffineBlock {
  return {
    d: 0,
    dmin: 0,
    scales: new Uint8Array(16),
    mins: new Uint8Array(16),
    codes: new Uint8Array(SUPER_BLOCK),
  };
}

const fits: AffineFit[] = [];
const sums: SubBlockSums[] = [];
const slopes = new Float32Array(16);
const offsets = new Float32Array(16);
const subWeights = new Float32Array(16);

/**
 * The search shared by q2_K, q4_K and q5_K. It minimises the sum of w (y - x)^2 with w = importance, or 1: with the
 * importance a mean of squared inputs, that is the expected error of the layer's output.
 *
 * 1. Every sub-block gets its line x = a q + b (see fitAffine).
 * 2. The a and the -b of the super-block are each fitted with 4- or 6-bit codes and one f16 (see fitScales).
 * 3. With d and dmin now rounded, every sub-block re-chooses its pair of codes: for each min code near the
 *    rounded one, the best scale code in closed form, ranked by the quadratic of the sums that step 1 kept.
 * 4. The codes are computed once, with the scales as they will be read.
 * 5. q2_K alone: d and dmin grow until the block has the energy it had.
 *
 * Returns false if the block is all zero bytes.
 */
export function fitAffineBlock(
  traits: AffineTraits,
  src: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  weightsFrom: number,
  block: AffineBlock,
): boolean {
  const x = src.subarray(from, from + SUPER_BLOCK);
  const { subLength, scaleMax, qmax } = traits;
  const subBlocks = SUPER_BLOCK / subLength;

  const w = importance?.subarray(weightsFrom, weightsFrom + SUPER_BLOCK);
  let peak = 0;
  for (let j = 0; j < subBlocks; j++) {
    const begin = j * subLength;
    let low = 0;
    let high = x[begin];
    let sw = w ? 0 : subLength;
    let swx = 0;
    for (let i = begin; i < begin + subLength; i++) {
      if (w) sw = fround(sw + w[i]);
      swx = fround(swx + (w ? fround(w[i] * x[i]) : x[i]));
      low = min(x[i], low);
      high = max(x[i], high);
    }
    peak = max(max(high, -low), peak);
    sums[j] = { sw, swx, low, high };
    fits[j] = fitAffine(x, w, begin, subLength, traits, sums[j]);
    slopes[j] = fits[j].a;
    offsets[j] = -fits[j].b;
    subWeights[j] = sw;
  }
  if (peak < TINY) return false;

  block.d = f32ToF16(fitScales(slopes, subWeights, subBlocks, scaleMax, block.scales));
  block.dmin = f32ToF16(fitScales(offsets, subWeights, subBlocks, scaleMax, block.mins));
  const d = f16ToF32(block.d);
  const dmin = f16ToF32(block.dmin);
  const inverseD = inverseIf(d > 0, d);
  let energy = 0;
  let kept = 0;
  for (let j = 0; j < subBlocks; j++) {
    rechoose(block, j, d, dmin, inverseD, scaleMax);
    const scale = fround(d * block.scales[j]);
    const inverse = inverseIf(scale > 0, scale);
    const minimum = fround(dmin * block.mins[j]);
    const offset = fround(minimum * inverse);
    for (let i = j * subLength; i < (j + 1) * subLength; i++) {
      block.codes[i] = roundEven(clamp(fround(fround(x[i] * inverse) + offset), 0, qmax));
      if (!traits.keepsEnergy) continue;
      const y = fround(fround(scale * block.codes[i]) - minimum);
      energy = fround(energy + (w ? fround(fround(w[i] * x[i]) * x[i]) : fround(x[i] * x[i])));
      kept = fround(kept + (w ? fround(fround(w[i] * y) * y) : fround(y * y)));
    }
  }
  if (traits.keepsEnergy) {
    const factor = keepEnergy(energy, kept);
    block.d = f32ToF16(fround(d * factor));
    block.dmin = f32ToF16(fround(dmin * factor));
  }
  return true;
}

/** Step 3 for sub-block j. */
function rechoose(
  block: AffineBlock,
  j: number,
  d: number,
  dmin: number,
  inverseD: number,
  scaleMax: number,
): void {
  const { gain, sq, sqq, sxq } = fits[j];
  const { sw, swx } = sums[j];
  if (!(sqq > 0)) return;
  const error = (scale: number, minimum: number): number =>
    fround(
      fround(scale * fround(fround(scale * sqq) - fround(2 * fround(sxq + fround(minimum * sq))))) +
        fround(minimum * fround(fround(minimum * sw) + fround(2 * swx))),
    );
  const rounded = block.mins[j];
  const inverseSqq = fround(1 / sqq);
  let best = fround(error(fround(d * block.scales[j]), fround(dmin * rounded)) - fround(gain * TIE));
  for (let reach = -MIN_REACH; reach <= MIN_REACH; reach++) {
    const minCode = clamp(rounded + reach, 0, scaleMax);
    const minimum = fround(dmin * minCode);
    const slope = fround(fround(sxq + fround(minimum * sq)) * inverseSqq);
    const scaleCode = roundEven(clamp(fround(slope * inverseD), 0, scaleMax));
    const candidate = error(fround(d * scaleCode), minimum);
    if (candidate < best) {
      best = candidate;
      block.scales[j] = scaleCode;
      block.mins[j] = minCode;
    }
  }
}
