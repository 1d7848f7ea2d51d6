import { E2M1 } from "../../kernels/scalar/fp4.ts";

/** In-place rounding of cached rows that belongs to the model (model spec 3.0); scales are powers of two. */

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

/** 2^ceil(log2(value)) from the bits of an f32: the exponent, plus one if any mantissa bit is set. */
function powerOfTwoAbove(value: number): number {
  word[0] = value;
  return 2 ** ((bits[0] >>> 23) - 127 + (bits[0] & 0x7fffff ? 1 : 0));
}

/** Nearest E4M3 value of |v| <= 448, ties to even. */
function roundE4m3(value: number): number {
  word[0] = Math.abs(value);
  const exponent = Math.max((bits[0] >>> 23) - 127, -6);
  const step = 2 ** (exponent - 3);
  return roundEven(value / step) * step;
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** Nearest E2M1 value of |v| <= 6, ties to the even code. */
function roundE2m1(value: number): number {
  const magnitude = Math.abs(value);
  let best = 0;
  for (let code = 1; code < 8; code++) {
    const closer = Math.abs(E2M1[code] - magnitude) - Math.abs(E2M1[best] - magnitude);
    if (closer < 0 || (closer === 0 && code % 2 === 0)) best = code;
  }
  return Math.sign(value) * E2M1[best];
}

function roundGroups(
  row: Float32Array,
  group: number,
  scaleOf: (peak: number) => number,
  limit: number,
  round: (value: number) => number,
): void {
  for (let at = 0; at < row.length; at += group) {
    const part = row.subarray(at, at + group);
    const scale = scaleOf(part.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0));
    for (let i = 0; i < part.length; i++)
      part[i] = round(Math.max(-limit, Math.min(limit, part[i] / scale))) * scale;
  }
}

const fround = Math.fround;

/** FQ8: E4M3 in groups of 64, over the dimensions that are not rotated. */
export function fq8(row: Float32Array): void {
  roundGroups(
    row,
    64,
    (peak) => powerOfTwoAbove(fround(Math.max(peak, 1e-4) * fround(1 / 448))),
    448,
    roundE4m3,
  );
}

/** FQ4: E2M1 in groups of 32, over all dimensions. */
export function fq4(row: Float32Array): void {
  roundGroups(
    row,
    32,
    (peak) => powerOfTwoAbove(fround(Math.max(peak, 6 * 2 ** -126) * fround(1 / 6))),
    6,
    roundE2m1,
  );
}

/** y = H x / sqrt(d), natural order; its own inverse. In place. */
export function hadamard(row: Float32Array): void {
  for (let h = 1; h < row.length; h *= 2)
    for (let start = 0; start < row.length; start += 2 * h)
      for (let i = start; i < start + h; i++) {
        const a = row[i];
        const b = row[i + h];
        row[i] = a + b;
        row[i + h] = a - b;
      }
  const scale = row.length ** -0.5;
  for (let i = 0; i < row.length; i++) row[i] *= scale;
}
