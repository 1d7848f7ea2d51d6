import type { BlockCodec } from "./block-codec.ts";
import { E2M1, E8M0 } from "./fp4.ts";
import { exponentOf } from "./importance.ts";

const fround = Math.fround;
const LENGTH = 32;
const BYTES = 17;

/** As ggml reads the codes: code 8 is 0, not -0. */
export const GGML_E2M1 = E2M1.map((value) => value + 0);

/** Code of the nearest E2M1 value to a magnitude, ties to the even code (as E2M1 rounding is defined). */
export function nearestE2m1(magnitude: number): number {
  if (magnitude <= 2.5) {
    if (magnitude <= 0.75) return magnitude <= 0.25 ? 0 : magnitude < 0.75 ? 1 : 2;
    if (magnitude <= 1.25) return 2;
    return magnitude < 1.75 ? 3 : 4;
  }
  if (magnitude < 3.5) return 5;
  return magnitude <= 5 ? 6 : 7;
}

/**
 * mxfp4: `u8 e; u8 b[16]`, y = E2M1(code) 2^(e-127); byte j holds element j low and element j + 16 high.
 *
 * Encoding tries three exponents around floor(log2(max|x|)) - 2 and keeps the least sum of w (y - x)^2
 * (w = importance or 1), the middle one first, so it is never worse than the usual rule.
 */
export const mxfp4: BlockCodec = {
  blockLength: LENGTH,
  blockBytes: BYTES,
  largest: 2 ** 60, // squares of errors stay finite
  decodeBlock(src, at, dst, to) {
    if (src[at] === 255) return false;
    const scale = E8M0[src[at]];
    for (let i = 0; i < 16; i++) {
      dst[to + i] = GGML_E2M1[src[at + 1 + i] & 15] * scale;
      dst[to + 16 + i] = GGML_E2M1[src[at + 1 + i] >> 4] * scale;
    }
    return true;
  },
  encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
    let peak = 0;
    for (let i = 0; i < LENGTH; i++) peak = Math.max(peak, Math.abs(src[from + i]));
    dst.fill(0, at, at + BYTES);
    if (peak === 0) return;
    const middle = exponentOf(peak) - 2 + 127;
    let bestError = Number.POSITIVE_INFINITY;
    let bestExponent = 0;
    for (const candidate of [middle, middle - 1, middle + 1]) {
      const e = Math.min(254, Math.max(0, candidate));
      let error = 0;
      for (let i = 0; i < LENGTH; i++) {
        const x = src[from + i];
        const y = fround(E2M1[nearestE2m1(Math.abs(x) / E8M0[e])] * E8M0[e]);
        const difference = fround(y - Math.abs(x));
        const square = fround(difference * difference);
        error = fround(error + (importance ? fround(importance[weightsFrom + i] * square) : square));
      }
      if (error < bestError) {
        bestError = error;
        bestExponent = e;
      }
    }
    dst[at] = bestExponent;
    for (let i = 0; i < LENGTH; i++) {
      const x = src[from + i];
      const code = nearestE2m1(Math.abs(x) / E8M0[bestExponent]) | (x < 0 ? 8 : 0);
      dst[at + 1 + (i & 15)] |= i < 16 ? code : code << 4;
    }
  },
};

/**
 * The official packing (byte j of a group: element 2j low, 2j+1 high) to mxfp4 blocks. No arithmetic: the
 * scale byte is copied and nibbles move, so every value is kept bit for bit. See `Kernels.repackMxfp4`.
 */
export function repackMxfp4(codes: Uint8Array, scales: Uint8Array, dst: Uint8Array): number {
  if (codes.length !== 16 * scales.length || dst.length !== BYTES * scales.length)
    throw new RangeError(
      `repackMxfp4: ${codes.length} code bytes, ${scales.length} scales, ${dst.length} bytes out`,
    );
  for (let g = 0; g < scales.length; g++) {
    if (scales[g] === 255) return g;
    const from = 16 * g;
    const to = BYTES * g;
    dst[to] = scales[g];
    for (let j = 0; j < 8; j++) {
      const low = codes[from + j];
      const high = codes[from + 8 + j];
      dst[to + 1 + 2 * j] = (low & 15) | ((high & 15) << 4);
      dst[to + 2 + 2 * j] = (low >> 4) | (high & 0xf0);
    }
  }
  return -1;
}
