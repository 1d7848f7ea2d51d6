import { codebooks } from "../tables/codebooks.ts";
import { codebookCodec } from "./codebook-block.ts";

/**
 * iq3_s: `f16 d; u8 entry[64]; u8 high[8]; u8 signs[32]; u8 sc[4]`. An entry per 4 weights; high: bit 8 of eight
 * entries, the first lowest. sc: s of two groups of 32, the first in the low nibble. Signs are free.
 */
export const iq3_s = codebookCodec(
  110,
  {
    codebook: codebooks.iq3_s,
    groupLength: 32,
    evenSigns: false,
    scaleFrom: "peak",
    factors: [1 / 14, 1 / 16],
  },
  (block, dst, at) => {
    dst[at] = block.d;
    dst[at + 1] = block.d >> 8;
    for (let k = 0; k < 64; k++) dst[at + 2 + k] = block.entries[k];
    for (let b = 0; b < 8; b++) {
      let high = 0;
      for (let k = 0; k < 8; k++) high |= (block.entries[8 * b + k] >> 8) << k;
      dst[at + 66 + b] = high;
    }
    for (let k = 0; k < 32; k++) dst[at + 74 + k] = block.signs[k];
    for (let b = 0; b < 4; b++) dst[at + 106 + b] = block.scales[2 * b] | (block.scales[2 * b + 1] << 4);
  },
  (src, at, block) => {
    block.d = src[at] | (src[at + 1] << 8);
    for (let k = 0; k < 64; k++)
      block.entries[k] = src[at + 2 + k] | (((src[at + 66 + (k >> 3)] >> (k & 7)) & 1) << 8);
    for (let k = 0; k < 32; k++) block.signs[k] = src[at + 74 + k];
    for (let g = 0; g < 8; g++) block.scales[g] = (src[at + 106 + (g >> 1)] >> (4 * (g & 1))) & 15;
  },
);
