import type { BlockCodec } from "./block-codec.ts";
import { inverseIf } from "./f32.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { fitIq4, IQ4_LEVELS, nearestIq4 } from "./iq4.ts";
import { TINY } from "./limits.ts";

const fround = Math.fround;
const LENGTH = 32;
const BYTES = 18;

/**
 * iq4_nl: `f16 d; u8 b[16]`, y = d level(q); byte j holds element j low and element j + 16 high. Encoding: the
 * best scale (see fitIq4; weights: importance or 1), rounded to f16, and the nearest levels.
 */
export const iq4_nl: BlockCodec = {
  blockLength: LENGTH,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at] | (src[at + 1] << 8));
    for (let i = 0; i < 16; i++) {
      dst[to + i] = d * IQ4_LEVELS[src[at + 2 + i] & 15];
      dst[to + 16 + i] = d * IQ4_LEVELS[src[at + 2 + i] >> 4];
    }
    return true;
  },
  encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
    dst.fill(0, at, at + BYTES);
    const x = src.subarray(from, from + LENGTH);
    const w = importance?.subarray(weightsFrom, weightsFrom + LENGTH);
    let peak = 0;
    for (let i = 0; i < LENGTH; i++) peak = Math.max(peak, Math.abs(x[i]));
    if (peak < TINY) return;
    const bits = f32ToF16(fitIq4(x, w, 0, LENGTH));
    const d = f16ToF32(bits);
    const inverse = inverseIf(d !== 0, d);
    dst[at] = bits;
    dst[at + 1] = bits >> 8;
    for (let i = 0; i < LENGTH; i++) {
      const code = nearestIq4(fround(x[i] * inverse));
      dst[at + 2 + (i & 15)] |= i < 16 ? code : code << 4;
    }
  },
};
