import type { ModelConfig } from "../model/config.ts";

/**
 * Rotary frequencies of a layer, f_j for the j-th pair of dimensions (model spec 3.1). Sliding-window layers: base
 * `ropeTheta`, nothing else. CSA and HCA layers: base `compressRopeTheta` with YaRN, and no magnitude factor anywhere.
 */
export function ropeFrequencies(config: ModelConfig, ratio: number): Float32Array {
  const { ropeDim, ropeTheta, compressRopeTheta, yarn } = config;
  const base = ratio === 0 ? ropeTheta : compressRopeTheta;
  const frequencies = Float32Array.from({ length: ropeDim / 2 }, (_, j) => base ** ((-2 * j) / ropeDim));
  if (ratio === 0) return frequencies;
  // The pair whose wavelength fits `rotations` times into the original context.
  const pairOf = (rotations: number): number =>
    (ropeDim * Math.log(yarn.originalContext / (rotations * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(Math.floor(pairOf(yarn.betaFast)), 0);
  const highest = Math.min(Math.ceil(pairOf(yarn.betaSlow)), ropeDim - 1);
  const high = highest === low ? low + 0.001 : highest;
  return frequencies.map((f, j) => {
    const ramp = Math.min(1, Math.max(0, (j - low) / (high - low)));
    return f * (1 - ramp) + (f / yarn.factor) * ramp;
  });
}

/**
 * Rotates the last 2 * frequencies.length dimensions of one row in place, adjacent pairs (x[2j], x[2j+1]) by
 * position * f_j; `inverse` rotates back. The angle is the f32 product, as the official code computes it.
 */
export function rotate(
  row: Float32Array,
  position: number,
  frequencies: Float32Array,
  inverse = false,
): void {
  const first = row.length - 2 * frequencies.length;
  for (let j = 0; j < frequencies.length; j++) {
    const angle = Math.fround(position * frequencies[j]);
    const cos = Math.fround(Math.cos(angle));
    const sin = Math.fround(inverse ? -Math.sin(angle) : Math.sin(angle));
    const a = row[first + 2 * j];
    const b = row[first + 2 * j + 1];
    row[first + 2 * j] = a * cos - b * sin;
    row[first + 2 * j + 1] = a * sin + b * cos;
  }
}
