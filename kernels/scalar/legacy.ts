import type { BlockCodec } from "./block-codec.ts";
import { f16ToF32 } from "./float16.ts";

const fround = Math.fround;
const LENGTH = 32;

/**
 * q4_1, q5_0 and q5_1, which older files hold; they are read, not written. `f16 d; [f16 m;] [u32 qh;] u8 b[16]`:
 * byte j has the low nibbles of element j (low) and element j + 16 (high), bit i of qh is the fifth bit of
 * element i. y = d q + m with a minimum, else d (q - 16).
 */
function legacy(fifthBit: boolean, minimum: boolean): BlockCodec {
  const highAt = minimum ? 4 : 2;
  const nibblesAt = highAt + (fifthBit ? 4 : 0);
  return {
    blockLength: LENGTH,
    blockBytes: nibblesAt + 16,
    decodeBlock(src, at, dst, to) {
      const d = f16ToF32(src[at] | (src[at + 1] << 8));
      const m = minimum ? f16ToF32(src[at + 2] | (src[at + 3] << 8)) : 0;
      for (let i = 0; i < LENGTH; i++) {
        const byte = src[at + nibblesAt + (i & 15)];
        const high = fifthBit ? (src[at + highAt + (i >> 3)] >> (i & 7)) & 1 : 0;
        const q = (i < 16 ? byte & 15 : byte >> 4) | (high << 4);
        dst[to + i] = minimum ? fround(d * q) + m : d * (q - 16);
      }
      return true;
    },
  };
}

export const q4_1 = legacy(false, true);
export const q5_0 = legacy(true, false);
export const q5_1 = legacy(true, true);
