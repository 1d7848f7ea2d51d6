import { createAffineBlock, fitAffineBlock, SUPER_BLOCK } from "./affine-block.ts";
import type { BlockCodec } from "./block-codec.ts";
import { f16ToF32 } from "./float16.ts";
import { packScales6, unpackScales6 } from "./scales6.ts";

const fround = Math.fround;
const BYTES = 144;

const traits = {
  subLength: 32,
  scaleMax: 63,
  keepsEnergy: false,
  qmax: 15,
  sweeps: [
    [14, 14.54, 15.08, 15.62],
    [14.18, 14.72, 15.26, 15.8],
    [14.36, 14.9, 15.44, 15.98],
  ],
  plainSweeps: 3,
  refine: [1, 0.98, 1.02, 1.04],
};

const block = createAffineBlock();
const { scales, mins, codes } = block;

/**
 * q4_K: `f16 d; f16 dmin; u8 sc[12]; u8 qs[128]`, 8 sub-blocks of 32, y = d scale q - dmin min. Per 64 elements
 * 32 bytes: the first 32 elements in the low nibbles, the second in the high ones. Encoding: see fitAffineBlock.
 */
export const q4_K: BlockCodec = {
  blockLength: SUPER_BLOCK,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at] | (src[at + 1] << 8));
    const dmin = f16ToF32(src[at + 2] | (src[at + 3] << 8));
    unpackScales6(src, at + 4, scales, mins);
    for (let i = 0; i < SUPER_BLOCK; i++) {
      const byte = src[at + 16 + 32 * (i >> 6) + (i & 31)];
      const q = i & 32 ? byte >> 4 : byte & 15;
      dst[to + i] = fround(fround(d * scales[i >> 5]) * q) - fround(dmin * mins[i >> 5]);
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
    for (let i = 0; i < SUPER_BLOCK; i++)
      dst[at + 16 + 32 * (i >> 6) + (i & 31)] |= i & 32 ? codes[i] << 4 : codes[i];
  },
};
