/*
 * MXFP4 blocks beside the packed FP4 that they were made of. Twin: scalar/match-fp4.ts.
 *
 * The judge of repack_mxfp4 shares no step with it: that one spreads the source's nibbles over a block, this one gathers a
 * block's nibbles into the source's order.
 */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "kernels.h"

enum { LENGTH = 32, BYTES = 17, RUN = 64 };
typedef uint16_t h8 __attribute__((vector_size(16)));

/* Sixteen bytes of a block, element j low and j + 16 high, to bytes with element 2j low and 2j + 1 high. */
V4_INLINE b16 gathered(b16 packed) {
  const h8 pairs = (h8)packed; /* elements 2j, 2j + 16, 2j + 1, 2j + 17, from the lowest nibble on */
  const b16 first = (b16)((pairs & 0x000f) | (pairs >> 4 & 0x00f0));
  const b16 last = (b16)((pairs >> 4 & 0x000f) | (pairs >> 8 & 0x00f0));
  return V4_SHUFFLE(first, last, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

/* Bits in which codes differ, but not the sign where both are 0: a magnitude + 7 has its bit 3 set from 1 on. */
V4_INLINE b16 difference(b16 a, b16 b) { return (a ^ b) & (((a & 0x77) + 0x77) | 0x77); }

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
    const size_t end = groups - begin < RUN ? groups : begin + RUN;
    b16_words2 codes_differ = {0};
    unsigned scales_differ = 0;
    for (size_t g = begin; g < end; g++) {
      const uint8_t *block = blocks + BYTES * g;
      codes_differ |= (b16_words2)difference(b16_load(codes + 16 * g), gathered(b16_load(block + 1)));
      scales_differ |= (unsigned)(scales[g] ^ block[0]) | (scales[g] == 255);
    }
    if (!(codes_differ[0] | codes_differ[1] | scales_differ)) {
      widen(span, scales + begin, end - begin);
      continue;
    }
    for (size_t g = begin; g < end; g++) {
      const size_t i = first_difference(codes + 16 * g, scales[g], blocks + BYTES * g);
      if (i < LENGTH) return (ptrdiff_t)(LENGTH * g + i);
      widen(span, scales + g, 1);
    }
  }
  return V4_OK;
}
