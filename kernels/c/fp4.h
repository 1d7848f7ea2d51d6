/* E2M1 and E8M0 (OCP microscaling). Twin: scalar/fp4.ts. */
#ifndef V4_FP4_H
#define V4_FP4_H

#include "vec.h"

/* Twice the E2M1 value by code, so that it is an integer. Code 8 is -0, which an integer loses: see below. */
static const int8_t E2M1_DOUBLED[16] __attribute__((unused)) = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* 2^(e - 128), half the E8M0 value, to go with doubled codes; e = 0 and 1 are subnormal and still exact. */
V4_INLINE float e8m0_half(uint8_t e) {
  uint32_t bits = e > 1 ? (uint32_t)(e - 1) << 23 : 0x200000u << e;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

V4_INLINE float e8m0(uint8_t e) {
  uint32_t bits = e > 0 ? (uint32_t)e << 23 : 0x400000u;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

/* Nearest E2M1 magnitude (0 .. 6, saturating) to a >= 0, ties to the even code, as a float. */
V4_INLINE vf e2m1_round(vf a) {
  /* The step is 0.5 below 2, 1 below 4, 2 from there on; adding 1.5 * 2^23 steps rounds to whole steps. */
  const vf v = vf_min(a, vf_set(6.0f));
  const vf step = vf_select(vf_lt(v, vf_set(2.0f)), vf_set(0x1.8p22f),
                            vf_select(vf_lt(v, vf_set(4.0f)), vf_set(0x1.8p23f), vf_set(0x1.8p24f)));
  return (v + step) - step;
}

/* Code 0 .. 7 of an E2M1 magnitude: its exponent and mantissa bit, with 0.5 as the only subnormal. */
V4_INLINE vi e2m1_code(vf magnitude) {
  const vi normal = vi_shr(vf_bits(magnitude), 22) - (126 * 2);
  return vi_select(vf_lt(magnitude, vf_set(1.0f)), vi_round(magnitude + magnitude), normal);
}

#endif
