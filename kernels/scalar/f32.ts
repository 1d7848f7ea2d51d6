/**
 * The f32 operations whose exact form is part of the specification. A single + - * / or sqrt of f32 values,
 * rounded by `Math.fround`, is the correctly rounded f32 operation (the double result has bits to spare).
 */
const fround = Math.fround;

/** 1.5 * 2^23: adding it leaves no fraction bits, so an f32 sum is rounded to an integer, ties to even. */
const MAGIC = 12582912;

/** Nearest integer, ties to even; for |value| < 2^22. */
export function roundEven(value: number): number {
  return fround(fround(value + MAGIC) - MAGIC);
}

/** The smaller of two; the second of equals, as x86 does it (it decides which zero survives). */
export function min(a: number, b: number): number {
  if (a < b) return a;
  return b;
}

/** The larger of two; the second of equals. */
export function max(a: number, b: number): number {
  if (a > b) return a;
  return b;
}

export function clamp(value: number, low: number, high: number): number {
  return max(min(value, high), low);
}

/** 1 / value where that is wanted, else 0: the usual guard of a scale that may be zero. */
export function inverseIf(wanted: boolean, value: number): number {
  return wanted ? fround(1 / value) : 0;
}

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

/** The smallest power of two not below a positive normal f32: its exponent, plus one if any mantissa bit is set. */
export function powerAbove(value: number): number {
  word[0] = value;
  bits[0] = (bits[0] + 0x7fffff) & 0x7f800000;
  return word[0];
}
