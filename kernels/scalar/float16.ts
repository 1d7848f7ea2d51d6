/** Element types narrower than f32. Widening is exact; narrowing rounds to nearest, ties to even. */

const f32 = new Float32Array(1);
const bits = new Uint32Array(f32.buffer);

/** IEEE half to f32, exact (subnormals, infinities and NaN included). */
export function f16ToF32(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** f32 to IEEE half; beyond 65504 + half a step it becomes infinity. */
export function f32ToF16(value: number): number {
  f32[0] = value;
  const word = bits[0];
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal half: a multiple of 2^-24. Adding 0.5 in f32 rounds to that grid, ties to even.
    f32[0] = Math.abs(value) + 0.5;
    return sign | (bits[0] - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

/** bfloat16 bits of an f32 that is not NaN. */
export function f32ToBf16(value: number): number {
  f32[0] = value;
  const word = bits[0];
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

export function bf16ToF32(half: number): number {
  bits[0] = half << 16;
  return f32[0];
}
