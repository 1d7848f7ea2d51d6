import { codebooks, evenSigns } from "../tables/codebooks.ts";
import { codebookCodec } from "./codebook-block.ts";

/**
 * iq2_xs: `f16 d; u16 q[32]; u8 sc[8]`. q: 9 bits of entry, 7 of sign index, per 8 weights. sc: s of two groups of
 * 16, the first in the low nibble.
 */
export const iq2_xs = codebookCodec(
  74,
  {
    codebook: codebooks.iq2_xs,
    groupLength: 16,
    evenSigns: true,
    scaleFrom: "mean",
    factors: [0.186, 0.25, 0.32, 0.41],
  },
  (block, dst, at) => {
    dst[at] = block.d;
    dst[at + 1] = block.d >> 8;
    for (let k = 0; k < 32; k++) {
      const q = block.entries[k] | ((block.signs[k] & 127) << 9);
      dst[at + 2 + 2 * k] = q;
      dst[at + 3 + 2 * k] = q >> 8;
    }
    for (let b = 0; b < 8; b++) dst[at + 66 + b] = block.scales[2 * b] | (block.scales[2 * b + 1] << 4);
  },
  (src, at, block) => {
    block.d = src[at] | (src[at + 1] << 8);
    for (let k = 0; k < 32; k++) {
      const q = src[at + 2 + 2 * k] | (src[at + 3 + 2 * k] << 8);
      block.entries[k] = q & 511;
      block.signs[k] = evenSigns[q >> 9];
    }
    for (let g = 0; g < 16; g++) block.scales[g] = (src[at + 66 + (g >> 1)] >> (4 * (g & 1))) & 15;
  },
);
