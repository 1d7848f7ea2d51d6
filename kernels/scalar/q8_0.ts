import type { BlockCodec } from "./block-codec.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { TINY } from "./limits.ts";

const fround = Math.fround;
const LENGTH = 32;

/** Half away from zero, as C's roundf. */
function roundAway(value: number): number {
  return value < 0 ? -Math.floor(0.5 - value) : Math.floor(value + 0.5);
}

/**
 * q8_0: `f16 d; i8 q[32]`, y = d q. The codes come from the unrounded d = max|x| / 127; only its f16 rounding
 * is stored.
 */
export const q8_0: BlockCodec = {
  blockLength: LENGTH,
  blockBytes: 34,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at] | (src[at + 1] << 8));
    for (let i = 0; i < LENGTH; i++) dst[to + i] = d * ((src[at + 2 + i] << 24) >> 24);
    return true;
  },
  encodeBlock(src, from, dst, at) {
    let peak = 0;
    for (let i = 0; i < LENGTH; i++) peak = Math.max(peak, Math.abs(src[from + i]));
    const d = fround(peak / 127);
    const inverse = peak < TINY ? 0 : fround(1 / d);
    const bits = f32ToF16(d);
    dst[at] = bits;
    dst[at + 1] = bits >> 8;
    for (let i = 0; i < LENGTH; i++) dst[at + 2 + i] = roundAway(fround(src[from + i] * inverse));
  },
};
