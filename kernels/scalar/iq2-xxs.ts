import { codebooks, evenSigns } from "../tables/codebooks.ts";
import { codebookCodec } from "./codebook-block.ts";

/**
 * iq2_xxs: `f16 d; 8 x (u8 entry[4]; u32 a)`, one pair per 32 weights. a holds four 7-bit sign indices, lowest
 * first, and s in its top four bits.
 */
export const iq2_xxs = codebookCodec(
  66,
  {
    codebook: codebooks.iq2_xxs,
    groupLength: 32,
    evenSigns: true,
    scaleFrom: "mean",
    factors: [0.186, 0.26, 0.35],
  },
  (block, dst, at) => {
    dst[at] = block.d;
    dst[at + 1] = block.d >> 8;
    for (let g = 0; g < 8; g++) {
      let a = block.scales[g] << 28;
      for (let k = 0; k < 4; k++) {
        dst[at + 2 + 8 * g + k] = block.entries[4 * g + k];
        a |= (block.signs[4 * g + k] & 127) << (7 * k);
      }
      for (let k = 0; k < 4; k++) dst[at + 6 + 8 * g + k] = a >> (8 * k);
    }
  },
  (src, at, block) => {
    block.d = src[at] | (src[at + 1] << 8);
    for (let g = 0; g < 8; g++) {
      let a = 0;
      for (let k = 0; k < 4; k++) a |= src[at + 6 + 8 * g + k] << (8 * k);
      block.scales[g] = a >>> 28;
      for (let k = 0; k < 4; k++) {
        block.entries[4 * g + k] = src[at + 2 + 8 * g + k];
        block.signs[4 * g + k] = evenSigns[(a >> (7 * k)) & 127];
      }
    }
  },
);
