/*
 * MXFP4 blocks beside the packed FP4 that they were made of. Twin: scalar/match-fp4.ts.
 *
 * The judge of repack_mxfp4 shares no step with it: that one spreads nibbles over bytes and joins them anew; here whole
 * bytes of the source move, and nibbles of the block, until both are in the same order.
 */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "kernels.h"

enum { LENGTH = 32, CODE_BYTES = 16, BYTES = 17, RUN = 64 };
typedef uint16_t h8 __attribute__((vector_size(16)));

/* Bytes with elements 2j and 2j + 1, then 2j + 16 and 2j + 17: of a group, whose halves alternate byte by byte, */
V4_INLINE b16 from_group(const uint8_t *codes) {
  return V4_SHUFFLE(b16_load8(codes), b16_load8(codes + 8), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/* and of a block, elements j and j + 16 in a byte, where the middle nibbles of every two bytes change places. */
V4_INLINE b16 from_block(const uint8_t *packed) {
  const h8 pairs = (h8)b16_load(packed);
  const h8 middle = (pairs ^ pairs >> 4) & 0x00f0;
  return (b16)(pairs ^ middle ^ middle << 4);
}

/* Bits in which codes differ, but not the sign where both are 0: a magnitude + 7 has its bit 3 set from 1 on. */
V4_INLINE b16 difference(b16 a, b16 b) { return (a ^ b) & (((a & 0x77) + 0x77) | 0x77); }

V4_INLINE int run_matches(const uint8_t *codes, const uint8_t *scales, const uint8_t *blocks, size_t groups) {
  b16_words2 codes_differ = {0};
  unsigned scales_differ = 0, reserved = 0;
  for (size_t g = 0; g < groups; g++, codes += CODE_BYTES, blocks += BYTES) {
    codes_differ |= (b16_words2)difference(from_group(codes), from_block(blocks + 1));
    scales_differ |= scales[g] ^ blocks[0];
    reserved |= scales[g] + 1u; /* 256 comes of 255 alone */
  }
  return !(codes_differ[0] | codes_differ[1] | scales_differ | reserved >> 8);
}

V4_INLINE int same_value(unsigned a, unsigned b) { return a == b || !((a | b) & 7); }

/* Element of the first difference in one group, or LENGTH. */
static size_t first_difference(const uint8_t *codes, uint8_t scale, const uint8_t *block) {
  if (scale == 255 || scale != block[0]) return 0;
  size_t i = 0;
  for (; i < LENGTH; i++) {
    const unsigned source = codes[i / 2] >> 4 * (i & 1) & 15, written = block[1 + i % 16] >> (i < 16 ? 0 : 4) & 15;
    if (!same_value(source, written)) break;
  }
  return i;
}

static void widen(uint8_t span[2], const uint8_t *scales, size_t groups) {
  uint8_t least = span[0], greatest = span[1];
  for (size_t g = 0; g < groups; g++) {
    least = scales[g] < least ? scales[g] : least;
    greatest = scales[g] > greatest ? scales[g] : greatest;
  }
  span[0] = least;
  span[1] = greatest;
}

ptrdiff_t V4(match_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, const uint8_t *blocks,
                        uint8_t span[2]) {
  for (size_t begin = 0; begin < groups; begin += RUN) {
    const size_t count = groups - begin < RUN ? groups - begin : RUN;
    if (run_matches(codes + CODE_BYTES * begin, scales + begin, blocks + BYTES * begin, count)) {
      widen(span, scales + begin, count);
      continue;
    }
    for (size_t g = begin; g < begin + count; g++) {
      const size_t i = first_difference(codes + CODE_BYTES * g, scales[g], blocks + BYTES * g);
      if (i < LENGTH) return (ptrdiff_t)(LENGTH * g + i);
      widen(span, scales + g, 1);
    }
  }
  return V4_OK;
}
