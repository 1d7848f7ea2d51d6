import { createAffineBlock, fitAffineBlock, SUPER_BLOCK } from "./affine-block.ts";
import type { BlockCodec } from "./block-codec.ts";
import { f16ToF32 } from "./float16.ts";
import { packScales6, unpackScales6 } from "./scales6.ts";

const fround = Math.fround;
const BYTES = 176;

const traits = {
  subLength: 32,
  scaleMax: 63,
  keepsEnergy: false,
  qmax: 31,
  sweeps: [
    [30, 30.5, 31, 31.5],
    [30.25, 30.75, 31.25, 31.75],
  ],
  plainSweeps: 2,
  refine: [1, 0.99, 1.01, 1.02],
};

const block = createAffineBlock();
const { scales, mins, codes } = block;

/**
 * q5_K: `f16 d; f16 dmin; u8 sc[12]; u8 qh[32]; u8 qs[128]`: q4_K with a fifth bit, which for element l of
 * sub-block j is bit j of qh[l]. Encoding: see fitAffineBlock.
 */
export const q5_K: BlockCodec = {
  blockLength: SUPER_BLOCK,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at] | (src[at + 1] << 8));
    const dmin = f16ToF32(src[at + 2] | (src[at + 3] << 8));
    unpackScales6(src, at + 4, scales, mins);
    for (let i = 0; i < SUPER_BLOCK; i++) {
      const j = i >> 5;
      const byte = src[at + 48 + 32 * (i >> 6) + (i & 31)];
      const high = (src[at + 16 + (i & 31)] >> j) & 1;
      const q = (i & 32 ? byte >> 4 : byte & 15) | (high << 4);
      dst[to + i] = fround(fround(d * scales[j]) * q) - fround(dmin * mins[j]);
    }
    return true;
  },
  encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
    dst.fill(0, at, at + BYTES);
    if (!fitAffineBlock(traits, src, from, importance, weightsFrom, block)) return;
    dst[at] = block.d;
    dst[at + 1] = block.d >> 8;
    dst[at + 2] = block.dmin;
    dst[at + 3] = block.dmin >> 8;
    packScales6(scales, mins, dst, at + 4);
    for (let i = 0; i < SUPER_BLOCK; i++) {
      dst[at + 16 + (i & 31)] |= (codes[i] >> 4) << (i >> 5);
      dst[at + 48 + 32 * (i >> 6) + (i & 31)] |= i & 32 ? (codes[i] & 15) << 4 : codes[i] & 15;
    }
  },
};
