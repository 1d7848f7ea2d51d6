import type { Moved } from "./move-rows.ts";

/** ggml MXFP4 blocks to packed FP4 codes (low nibble = even column) and E8M0 scales: the inverse of `repackMxfp4`. */
export function packFp4(blocks: Uint8Array, codes: Uint8Array, scales: Uint8Array): Moved {
  for (let g = 0, from = 0, to = 0; g < scales.length; g++, from += 17) {
    if (blocks[from] === 255) return { fault: { kind: "reserved-scale", index: g }, changed: 0 };
    scales[g] = blocks[from];
    for (let half = 0; half < 8; half++, to++) {
      const a = blocks[from + 1 + 2 * half];
      const b = blocks[from + 2 + 2 * half];
      // Byte j holds element j low and element j + 16 high.
      codes[to] = (a & 15) | ((b & 15) << 4);
      codes[to + 8] = (a >> 4) | (b & 0xf0);
    }
    to += 8;
  }
  return { changed: 0 };
}
