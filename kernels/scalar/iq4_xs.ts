import { SUPER_BLOCK } from "./affine-block.ts";
import type { BlockCodec } from "./block-codec.ts";
import { clamp, inverseIf, roundEven } from "./f32.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { fitIq4, IQ4_LEVELS, nearestIq4 } from "./iq4.ts";
import { TINY } from "./limits.ts";
import { fitSymmetric } from "./symmetric-fit.ts";

const fround = Math.fround;
const BYTES = 136;
const SUB_LENGTH = 32;
const SUB_BLOCKS = SUPER_BLOCK / SUB_LENGTH;

const scaleSearch = {
  nmax: 32,
  sweeps: [[32, 31.5, 31, 32.5]],
  refine: [1, 0.99, 1.01, 1.02],
};

const scales = new Float32Array(SUB_BLOCKS);
const subWeights = new Float32Array(SUB_BLOCKS);

/**
 * iq4_xs: `f16 d; u16 scales_h; u8 scales_l[4]; u8 qs[128]`, 8 sub-blocks of 32, y = d (scale - 32) level(q). The
 * low nibble of scale j is nibble j of scales_l, its high two bits are bits 2 j of scales_h. Sub-block j has bytes
 * 16 j of qs, element i low and element i + 16 high.
 *
 * Encoding: the best scale of every sub-block (see fitIq4; weights: importance or 1), one f16 and eight six-bit
 * codes for these scales, then the nearest levels with the scales that will be read.
 */
export const iq4_xs: BlockCodec = {
  blockLength: SUPER_BLOCK,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at] | (src[at + 1] << 8));
    const high = src[at + 2] | (src[at + 3] << 8);
    for (let i = 0; i < SUPER_BLOCK; i++) {
      const j = i >> 5;
      const low = (src[at + 4 + (j >> 1)] >> (4 * (j & 1))) & 15;
      const scale = (low | (((high >> (2 * j)) & 3) << 4)) - 32;
      const byte = src[at + 8 + 16 * j + (i & 15)];
      dst[to + i] = fround(d * scale) * IQ4_LEVELS[i & 16 ? byte >> 4 : byte & 15];
    }
    return true;
  },
  encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
    dst.fill(0, at, at + BYTES);
    const x = src.subarray(from, from + SUPER_BLOCK);
    const w = importance?.subarray(weightsFrom, weightsFrom + SUPER_BLOCK);
    let peak = 0;
    for (let i = 0; i < SUPER_BLOCK; i++) peak = Math.max(peak, Math.abs(x[i]));
    if (peak < TINY) return;
    for (let j = 0; j < SUB_BLOCKS; j++) {
      scales[j] = fitIq4(x, w, j * SUB_LENGTH, SUB_LENGTH);
      if (!w) continue;
      let sum = 0;
      for (let i = j * SUB_LENGTH; i < (j + 1) * SUB_LENGTH; i++) sum = fround(sum + w[i]);
      subWeights[j] = sum;
    }
    const bits = f32ToF16(fitSymmetric(scales, w && subWeights, 0, SUB_BLOCKS, scaleSearch));
    const d = f16ToF32(bits);
    const inverseD = inverseIf(d !== 0, d);
    let high = 0;
    for (let j = 0; j < SUB_BLOCKS; j++) {
      const code = roundEven(clamp(fround(scales[j] * inverseD), -32, 31));
      const scale = fround(d * code);
      const inverse = inverseIf(scale !== 0, scale);
      const stored = code + 32;
      dst[at + 4 + (j >> 1)] |= (stored & 15) << (4 * (j & 1));
      high |= (stored >> 4) << (2 * j);
      for (let i = 0; i < SUB_LENGTH; i++) {
        const q = nearestIq4(fround(x[j * SUB_LENGTH + i] * inverse));
        dst[at + 8 + 16 * j + (i & 15)] |= i < 16 ? q : q << 4;
      }
    }
    dst[at] = bits;
    dst[at + 1] = bits >> 8;
    dst[at + 2] = high;
    dst[at + 3] = high >> 8;
  },
};
