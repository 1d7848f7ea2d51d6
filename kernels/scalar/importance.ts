const fround = Math.fround;

/** Weights below this fraction of the largest would let sums of products underflow. */
const FLOOR = 2 ** -24;

/**
 * Importance as the encoders use it: scaled by a power of two so that the largest weight lies in [0.5, 1), then
 * floored. Only ratios matter to a search, the scaling is exact, and products such as (sum w)(sum w q^2) can
 * neither overflow nor vanish whatever unit the weights were collected in.
 */
export function normaliseImportance(importance: Float32Array): Float32Array {
  let largest = 0;
  for (let i = 0; i < importance.length; i++) {
    const weight = importance[i];
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new RangeError(`importance ${i} is ${weight}; expected a finite weight >= 0`);
    if (weight > largest) largest = weight;
  }
  const scale = largest < 2 ** -126 ? 1 : 2 ** -(exponentOf(largest) + 1);
  const normalised = new Float32Array(importance.length);
  for (let i = 0; i < importance.length; i++) {
    const weight = fround(importance[i] * scale);
    normalised[i] = Math.max(weight, FLOOR);
  }
  return normalised;
}

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

/** floor(log2(value)) of a positive f32; -127 for every subnormal. */
export function exponentOf(value: number): number {
  word[0] = value;
  return (bits[0] >>> 23) - 127;
}
