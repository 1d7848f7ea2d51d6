import type { Codebook } from "../tables/codebooks.ts";
import type { BlockCodec } from "./block-codec.ts";
import { createCodebookEncoder } from "./codebook-encode.ts";
import { f16ToF32 } from "./float16.ts";

export const SUPER_BLOCK = 256;

/** What distinguishes one iq2 or iq3 format from another, bytes apart. */
export interface CodebookTraits {
  readonly codebook: Codebook;
  /** Weights per 4-bit scale. */
  readonly groupLength: 16 | 32;
  /** 7 of 8 sign bits are stored, the number of negatives being even. */
  readonly evenSigns: boolean;
  /**
   * What foretells a group's scale, see codebook-encode.ts, and the multiples of it that are tried. 0.186 is
   * 1 / 5.375: where one element is all that counts, it takes the largest magnitude.
   */
  readonly scaleFrom: "mean" | "peak";
  readonly factors: readonly number[];
}

/** What a super-block says, before a format packs it into bytes: y = sign d (2 s + 1) m. */
export interface CodebookBlock {
  /** f16 bits. */
  d: number;
  /** s of each group, 0..15. */
  readonly scales: Uint8Array;
  /** Codebook index of each 8 or 4 elements. */
  readonly entries: Uint16Array;
  /** Of each 8 elements, bit j set: element j is negative. */
  readonly signs: Uint8Array;
}

/** Expands a block to f32. Exact: d has 11 significant bits, 2 s + 1 five, a magnitude at most six. */
function expand(block: CodebookBlock, traits: CodebookTraits, dst: Float32Array, to: number): void {
  const { codes, entryLength, levelBits, magnitudes } = traits.codebook;
  const d = f16ToF32(block.d);
  const mask = (1 << levelBits) - 1;
  for (let i = 0; i < SUPER_BLOCK; i++) {
    const code = codes[block.entries[Math.floor(i / entryLength)]];
    const magnitude = magnitudes[(code >> (levelBits * (i % entryLength))) & mask];
    const scale = d * (2 * block.scales[Math.floor(i / traits.groupLength)] + 1);
    const negative = (block.signs[i >> 3] >> (i & 7)) & 1;
    dst[to + i] = (negative ? -scale : scale) * magnitude;
  }
}

/** A format from its traits and its byte layout. `pack` writes all bytes, `unpack` sets all fields. */
export function codebookCodec(
  blockBytes: number,
  traits: CodebookTraits,
  pack: (block: CodebookBlock, dst: Uint8Array, at: number) => void,
  unpack: (src: Uint8Array, at: number, block: CodebookBlock) => void,
): BlockCodec {
  const block: CodebookBlock = {
    d: 0,
    scales: new Uint8Array(SUPER_BLOCK / traits.groupLength),
    entries: new Uint16Array(SUPER_BLOCK / traits.codebook.entryLength),
    signs: new Uint8Array(SUPER_BLOCK / 8),
  };
  const encodeBlock = createCodebookEncoder(traits);
  return {
    blockLength: SUPER_BLOCK,
    blockBytes,
    decodeBlock(src, at, dst, to) {
      unpack(src, at, block);
      expand(block, traits, dst, to);
      return true;
    },
    encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
      if (encodeBlock(src, from, block, importance, weightsFrom)) pack(block, dst, at);
      else dst.fill(0, at, at + blockBytes);
    },
  };
}
