import type { BlockCodec } from "./block-codec.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./float16.ts";
import { F16_MAX } from "./limits.ts";

/** A little-endian 16-bit element type as a block of one. */
function half(
  toF32: (bits: number) => number,
  fromF32: (value: number) => number,
  largest: number,
): BlockCodec {
  return {
    blockLength: 1,
    blockBytes: 2,
    largest,
    decodeBlock(src, at, dst, to) {
      dst[to] = toF32(src[at] | (src[at + 1] << 8));
      return true;
    },
    encodeBlock(src, from, dst, at) {
      const bits = fromF32(src[from]);
      dst[at] = bits;
      dst[at + 1] = bits >> 8;
    },
  };
}

/** The last f32 that does not round to an infinite bfloat16. */
const BF16_LIMIT = (2 - 2 ** -8 - 2 ** -23) * 2 ** 127;

export const f16 = half(f16ToF32, f32ToF16, F16_MAX);
export const bf16 = half(bf16ToF32, f32ToBf16, BF16_LIMIT);

const word = new Float32Array(1);
const wordBytes = new Uint8Array(word.buffer);

export const f32: BlockCodec = {
  blockLength: 1,
  blockBytes: 4,
  largest: Number.MAX_VALUE,
  decodeBlock(src, at, dst, to) {
    for (let i = 0; i < 4; i++) wordBytes[i] = src[at + i];
    dst[to] = word[0];
    return true;
  },
  encodeBlock(src, from, dst, at) {
    word[0] = src[from];
    for (let i = 0; i < 4; i++) dst[at + i] = wordBytes[i];
  },
};
