import { SUPER_BLOCK } from "./affine-block.ts";
import type { BlockCodec } from "./block-codec.ts";
import { clamp, inverseIf, roundEven } from "./f32.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { TINY } from "./limits.ts";
import { fitSymmetric } from "./symmetric-fit.ts";

const fround = Math.fround;
const BYTES = 210;
const SUB_LENGTH = 16;
const SUB_BLOCKS = SUPER_BLOCK / SUB_LENGTH;

const search = {
  nmax: 32,
  sweeps: [[32, 31.5, 31, 32.5]],
  refine: [1, 0.99, 1.01, 1.02],
};

const scales = new Float32Array(SUB_BLOCKS);

/**
 * q6_K: `u8 ql[128]; u8 qh[64]; i8 sc[16]; f16 d`, 16 sub-blocks of 16, y = d sc (q - 32). Of the 128 elements of
 * half h, quarter t (32 elements l) keeps its low nibbles in ql[64 h + 32 (t mod 2) + l] (t < 2 low, else high)
 * and its two high bits in bits 2 t of qh[32 h + l].
 *
 * Encoding: the best scale of every sub-block (weights: importance or 1), d = largest scale / -128 as f16, then
 * scales and codes rounded to what will be read.
 */
export const q6_K: BlockCodec = {
  blockLength: SUPER_BLOCK,
  blockBytes: BYTES,
  decodeBlock(src, at, dst, to) {
    const d = f16ToF32(src[at + 208] | (src[at + 209] << 8));
    for (let i = 0; i < SUPER_BLOCK; i++) {
      const half = i >> 7;
      const quarter = (i >> 5) & 3;
      const l = i & 31;
      const byte = src[at + 64 * half + 32 * (quarter & 1) + l];
      const low = quarter < 2 ? byte & 15 : byte >> 4;
      const high = (src[at + 128 + 32 * half + l] >> (2 * quarter)) & 3;
      const scale = (src[at + 192 + (i >> 4)] << 24) >> 24;
      dst[to + i] = fround(d * scale) * ((low | (high << 4)) - 32);
    }
    return true;
  },
  encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
    dst.fill(0, at, at + BYTES);
    const x = src.subarray(from, from + SUPER_BLOCK);
    const w = importance?.subarray(weightsFrom, weightsFrom + SUPER_BLOCK);
    let peak = 0;
    let extreme = 0;
    for (let i = 0; i < SUPER_BLOCK; i++) peak = Math.max(peak, Math.abs(x[i]));
    if (peak < TINY) return;
    for (let j = 0; j < SUB_BLOCKS; j++) {
      scales[j] = fitSymmetric(x, w, j * SUB_LENGTH, SUB_LENGTH, search);
      if (Math.abs(scales[j]) > Math.abs(extreme)) extreme = scales[j];
    }
    const bits = f32ToF16(fround(extreme * fround(-1 / 128)));
    const d = f16ToF32(bits);
    const inverseD = inverseIf(d !== 0, d);
    dst[at + 208] = bits;
    dst[at + 209] = bits >> 8;
    for (let j = 0; j < SUB_BLOCKS; j++) {
      const code = roundEven(clamp(fround(scales[j] * inverseD), -128, 127));
      const scale = fround(d * code);
      const inverse = inverseIf(scale !== 0, scale);
      dst[at + 192 + j] = code;
      for (let i = j * SUB_LENGTH; i < (j + 1) * SUB_LENGTH; i++) {
        const q = roundEven(clamp(fround(x[i] * inverse), -32, 31)) + 32;
        const half = i >> 7;
        const quarter = (i >> 5) & 3;
        const l = i & 31;
        dst[at + 64 * half + 32 * (quarter & 1) + l] |= quarter < 2 ? q & 15 : (q & 15) << 4;
        dst[at + 128 + 32 * half + l] |= (q >> 4) << (2 * quarter);
      }
    }
  },
};
