/* f16 fields of a block, one at a time. */
#ifndef V4_HALF_H
#define V4_HALF_H

#include "vec.h"

/* The f16 at p as a float, subnormals included; infinities and NaN as IEEE. */
V4_INLINE float half_load(const uint8_t *p) {
  uint32_t half = (uint32_t)p[0] | (uint32_t)p[1] << 8, rest = half & 0x7fff;
  uint32_t word = (rest << 13) + (rest < 0x7c00 ? 0x38000000u : 0x70000000u);
  float value;
  memcpy(&value, &word, 4);
  if (rest < 0x400) value = (float)rest * 0x1p-24f;
  return half & 0x8000 ? -value : value;
}

/* Stores a finite value as f16, round to nearest even. */
V4_INLINE void half_store(uint8_t *p, float value) {
  uint32_t word, half;
  memcpy(&word, &value, 4);
  uint32_t sign = (word >> 16) & 0x8000, magnitude = word & 0x7fffffff;
  if (magnitude < 0x38800000) { /* subnormal half: adding 0.5 rounds to multiples of 2^-24 */
    float shifted = fabsf(value) + 0.5f;
    memcpy(&half, &shifted, 4);
    half = sign | (half - 0x3f000000);
  } else {
    half = magnitude >= 0x477ff000 ? sign | 0x7c00 : sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
  }
  p[0] = (uint8_t)half;
  p[1] = (uint8_t)(half >> 8);
}

#endif
