import { SUPER_BLOCK } from "./affine-block.ts";
import type { BlockCodec } from "./block-codec.ts";
import { clamp, inverseIf, roundEven } from "./f32.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { keepEnergy } from "./keep-energy.ts";
import { TINY } from "./limits.ts";
import { fitSymmetric, rechooseSymmetric } from "./symmetric-fit.ts";

const fround = Math.fround;
const BYTES = 110;
const SUB_LENGTH = 16;
const SUB_BLOCKS = SUPER_BLOCK / SUB_LENGTH;

const search = {
  nmax: 4,
  sweeps: [[4.1, 3.7, 3.3, 4.5]],
  refine: [1, 0.93, 1.07, 1.15],
};

const scaleSearch = {
  nmax: 32,
  sweeps: [[32, 31.5, 31, 32.5]],
  refine: [1, 0.99, 1.01, 1.02],
};

const scales = new Float32Array(SUB_BLOCKS);
const subWeights = new Float32Array(SUB_BLOCKS);

/**
 * q3_K: `u8 hmask[32]; u8 qs[64]; u8 sc[12]; f16 d`, 16 sub-blocks of 16, y = d (scale - 32) (q - 4). Element
 * 128 h + 32 s + l has its low two bits in bits 2 s of qs[32 h + l], its high bit in bit 4 h + s of hmask[l].
 * Scale i has its low nibble in sc[i mod 8] (low half of the byte for i < 8), its high two bits in bits
 * 2 (i div 4) of sc[8 + i mod 4].
 *
 * Encoding: the best scale of every sub-block (weights: importance or 1), one f16 and 16 six-bit codes for these
 * scales by the same search with the sums of weights, with importance the best of three neighbouring scale codes,
 * then the codes with the scales that will be read, and last the d that keeps the block's energy (see keepEnergy).
 */
export const q3_K: BlockCodec = {
  blockLength: SUPER_BLOCK,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at + 108] | (src[at + 109] << 8));
    for (let i = 0; i < SUPER_BLOCK; i++) {
      const j = i >> 4;
      const byte = src[at + 96 + (j & 7)];
      const low = j < 8 ? byte & 15 : byte >> 4;
      const scale = (low | (((src[at + 104 + (j & 3)] >> (2 * (j >> 2))) & 3) << 4)) - 32;
      const shift = (i >> 5) & 3;
      const bits = (src[at + 32 + 32 * (i >> 7) + (i & 31)] >> (2 * shift)) & 3;
      const high = (src[at + (i & 31)] >> (4 * (i >> 7) + shift)) & 1;
      dst[to + i] = fround(d * scale) * (bits - (high ? 0 : 4));
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
      scales[j] = fitSymmetric(x, w, j * SUB_LENGTH, SUB_LENGTH, search);
      if (!w) continue;
      let sum = 0;
      for (let i = j * SUB_LENGTH; i < (j + 1) * SUB_LENGTH; i++) sum = fround(sum + w[i]);
      subWeights[j] = sum;
    }
    const bits = f32ToF16(fitSymmetric(scales, w && subWeights, 0, SUB_BLOCKS, scaleSearch));
    const d = f16ToF32(bits);
    const inverseD = inverseIf(d !== 0, d);
    let energy = 0;
    let kept = 0;
    for (let j = 0; j < SUB_BLOCKS; j++) {
      const rounded = roundEven(clamp(fround(scales[j] * inverseD), -32, 31));
      const begin = j * SUB_LENGTH;
      const code = w ? rechooseSymmetric(x, w, begin, SUB_LENGTH, search.nmax, d, rounded, 32) : rounded;
      const scale = fround(d * code);
      const inverse = inverseIf(scale !== 0, scale);
      const stored = code + 32;
      dst[at + 96 + (j & 7)] |= j < 8 ? stored & 15 : (stored & 15) << 4;
      dst[at + 104 + (j & 3)] |= (stored >> 4) << (2 * (j >> 2));
      for (let i = j * SUB_LENGTH; i < (j + 1) * SUB_LENGTH; i++) {
        const q = roundEven(clamp(fround(x[i] * inverse), -4, 3)) + 4;
        const y = fround(scale * (q - 4));
        energy = fround(energy + (w ? fround(fround(w[i] * x[i]) * x[i]) : fround(x[i] * x[i])));
        kept = fround(kept + (w ? fround(fround(w[i] * y) * y) : fround(y * y)));
        const shift = (i >> 5) & 3;
        dst[at + 32 + 32 * (i >> 7) + (i & 31)] |= (q & 3) << (2 * shift);
        dst[at + (i & 31)] |= (q >> 2) << (4 * (i >> 7) + shift);
      }
    }
    const final = f32ToF16(fround(d * keepEnergy(energy, kept)));
    dst[at + 108] = final;
    dst[at + 109] = final >> 8;
  },
};
