import { codebooks, evenSigns } from "../tables/codebooks.ts";
import { codebookCodec } from "./codebook-block.ts";

/**
 * iq3_xxs: `f16 d; u8 entry[64]; u32 a[8]`. An entry per 4 weights. a (per 32 weights): four 7-bit sign indices of
 * 8 weights, lowest first, and s in the top four bits.
 */
export const iq3_xxs = codebookCodec(
  98,
  {
    codebook: codebooks.iq3_xxs,
    groupLength: 32,
    evenSigns: true,
    scaleFrom: "peak",
    factors: [1 / 11, 1 / 13, 1 / 15, 1 / 17],
  },
  (block, dst, at) => {
    dst[at] = block.d;
    dst[at + 1] = block.d >> 8;
    for (let k = 0; k < 64; k++) dst[at + 2 + k] = block.entries[k];
    for (let g = 0; g < 8; g++) {
      let a = block.scales[g] << 28;
      for (let k = 0; k < 4; k++) a |= (block.signs[4 * g + k] & 127) << (7 * k);
      for (let k = 0; k < 4; k++) dst[at + 66 + 4 * g + k] = a >> (8 * k);
    }
  },
  (src, at, block) => {
    block.d = src[at] | (src[at + 1] << 8);
    for (let k = 0; k < 64; k++) block.entries[k] = src[at + 2 + k];
    for (let g = 0; g < 8; g++) {
      let a = 0;
      for (let k = 0; k < 4; k++) a |= src[at + 66 + 4 * g + k] << (8 * k);
      block.scales[g] = a >>> 28;
      for (let k = 0; k < 4; k++) block.signs[4 * g + k] = evenSigns[(a >> (7 * k)) & 127];
    }
  },
);
