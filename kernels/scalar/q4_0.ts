import type { BlockCodec } from "./block-codec.ts";
import { clamp, inverseIf, roundEven } from "./f32.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { TINY } from "./limits.ts";
import { fitSymmetric } from "./symmetric-fit.ts";

const fround = Math.fround;
const LENGTH = 32;
const BYTES = 18;

const search = {
  nmax: 8,
  sweeps: [[8, 7.5, 7, 8.5]],
  refine: [1, 0.97, 1.03, 1.06],
};

/**
 * q4_0: `f16 d; u8 b[16]`, y = d (q - 8); byte j holds element j low and element j + 16 high. Encoding: the best
 * scale (weights: importance or 1), rounded to f16, and the nearest codes.
 */
export const q4_0: BlockCodec = {
  blockLength: LENGTH,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at] | (src[at + 1] << 8));
    for (let i = 0; i < 16; i++) {
      dst[to + i] = d * ((src[at + 2 + i] & 15) - 8);
      dst[to + 16 + i] = d * ((src[at + 2 + i] >> 4) - 8);
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
    const bits = f32ToF16(fitSymmetric(x, w, 0, LENGTH, search));
    const d = f16ToF32(bits);
    const inverse = inverseIf(d !== 0, d);
    dst[at] = bits;
    dst[at + 1] = bits >> 8;
    for (let i = 0; i < LENGTH; i++) {
      const q = roundEven(clamp(fround(x[i] * inverse), -8, 7)) + 8;
      dst[at + 2 + (i & 15)] |= i < 16 ? q : q << 4;
    }
  },
};
