import { codebooks } from "../tables/codebooks.ts";
import { codebookCodec } from "./codebook-block.ts";

/**
 * iq2_s: `f16 d; u8 entry[32]; u8 signs[32]; u8 high[8]; u8 sc[8]`. high: bits 8 and 9 of four entries (per 32
 * weights), the first lowest. sc: s of two groups of 16, the first in the low nibble. Signs are free.
 */
export const iq2_s = codebookCodec(
  82,
  {
    codebook: codebooks.iq2_s,
    groupLength: 16,
    evenSigns: false,
    scaleFrom: "mean",
    factors: [0.186, 0.26, 0.35],
  },
  (block, dst, at) => {
    dst[at] = block.d;
    dst[at + 1] = block.d >> 8;
    for (let k = 0; k < 32; k++) {
      dst[at + 2 + k] = block.entries[k];
      dst[at + 34 + k] = block.signs[k];
    }
    for (let b = 0; b < 8; b++) {
      let high = 0;
      for (let k = 0; k < 4; k++) high |= (block.entries[4 * b + k] >> 8) << (2 * k);
      dst[at + 66 + b] = high;
      dst[at + 74 + b] = block.scales[2 * b] | (block.scales[2 * b + 1] << 4);
    }
  },
  (src, at, block) => {
    block.d = src[at] | (src[at + 1] << 8);
    for (let k = 0; k < 32; k++) {
      block.entries[k] = src[at + 2 + k] | (((src[at + 66 + (k >> 2)] >> (2 * (k & 3))) & 3) << 8);
      block.signs[k] = src[at + 34 + k];
    }
    for (let g = 0; g < 16; g++) block.scales[g] = (src[at + 74 + (g >> 1)] >> (4 * (g & 1))) & 15;
  },
);
