/* The 12 bytes of eight 6-bit scales and mins of q4_K and q5_K. Twin and layout: scalar/scales6.ts. */
#ifndef V4_SCALES6_H
#define V4_SCALES6_H

#include "vec.h"

V4_INLINE void scales6_pack(const vi *scales, const vi *mins, vi *words) {
  words[0] = words[1] = words[2] = vi_set(0);
  for (int j = 0; j < 4; j++) {
    words[0] |= (scales[j] | scales[j + 4] >> 4 << 6) << (8 * j);
    words[1] |= (mins[j] | mins[j + 4] >> 4 << 6) << (8 * j);
    words[2] |= ((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4) << (8 * j);
  }
}

V4_INLINE void scales6_unpack(const uint8_t *src, uint8_t *scales, uint8_t *mins) {
  for (int j = 0; j < 4; j++) {
    scales[j] = src[j] & 63;
    mins[j] = src[4 + j] & 63;
    scales[j + 4] = (uint8_t)((src[8 + j] & 15) | (src[j] >> 6) << 4);
    mins[j + 4] = (uint8_t)((src[8 + j] >> 4) | (src[4 + j] >> 6) << 4);
  }
}

#endif
