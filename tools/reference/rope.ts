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

/** Cosines and sines of the angles by which one position rotates. */
export interface Rotation {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** The angle is the f32 product of position and frequency, as the official code computes it. */
export function rotationAt(position: number, frequencies: Float32Array): Rotation {
  const angles = frequencies.map((f) => position * f);
  return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
}

/**
 * Rotates the last dimensions of every row of `width` values in place, adjacent pairs (x[2j], x[2j+1]) by the j-th
 * angle; `inverse` rotates back.
 */
export function rotate(rows: Float32Array, width: number, { cos, sin }: Rotation, inverse = false): void {
  const pairs = cos.length;
  for (let at = width - 2 * pairs; at < rows.length; at += width)
    for (let j = 0; j < pairs; j++) {
      const s = inverse ? -sin[j] : sin[j];
      const a = rows[at + 2 * j];
      const b = rows[at + 2 * j + 1];
      rows[at + 2 * j] = a * cos[j] - b * s;
      rows[at + 2 * j + 1] = a * s + b * cos[j];
    }
}
