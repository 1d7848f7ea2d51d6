import { createAffineBlock, fitAffineBlock, SUPER_BLOCK } from "./affine-block.ts";
import type { BlockCodec } from "./block-codec.ts";
import { f16ToF32 } from "./float16.ts";

const fround = Math.fround;
const BYTES = 84;

const traits = {
  subLength: 16,
  scaleMax: 15,
  keepsEnergy: true,
  qmax: 3,
  sweeps: [
    [2.1, 2.58, 3.06, 3.54],
    [2.34, 2.82, 3.3, 3.78],
    [2.22, 2.7, 3.18, 3.66],
  ],
  plainSweeps: 2,
  refine: [1, 0.93, 1.07, 1.15],
};

const block = createAffineBlock();
const { scales, mins, codes } = block;

/**
 * q2_K: `u8 sc[16]; u8 qs[64]; f16 d; f16 dmin`, 16 sub-blocks of 16, y = d scale q - dmin min; a byte of sc is
 * scale | min << 4. Element 128 h + 32 s + l is in bits 2 s of qs[32 h + l]. Encoding: see fitAffineBlock.
 */
export const q2_K: BlockCodec = {
  blockLength: SUPER_BLOCK,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at + 80] | (src[at + 81] << 8));
    const dmin = f16ToF32(src[at + 82] | (src[at + 83] << 8));
    for (let i = 0; i < SUPER_BLOCK; i++) {
      const pair = src[at + (i >> 4)];
      const q = (src[at + 16 + 32 * (i >> 7) + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
      dst[to + i] = fround(fround(d * (pair & 15)) * q) - fround(dmin * (pair >> 4));
    }
    return true;
  },
  encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
    dst.fill(0, at, at + BYTES);
    if (!fitAffineBlock(traits, src, from, importance, weightsFrom, block)) return;
    for (let j = 0; j < 16; j++) dst[at + j] = scales[j] | (mins[j] << 4);
    for (let i = 0; i < SUPER_BLOCK; i++)
      dst[at + 16 + 32 * (i >> 7) + (i & 31)] |= codes[i] << (2 * ((i >> 5) & 3));
    dst[at + 80] = block.d;
    dst[at + 81] = block.d >> 8;
    dst[at + 82] = block.dmin;
    dst[at + 83] = block.dmin >> 8;
  },
};
