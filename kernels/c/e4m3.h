/* E4M3FN without sign: bytes 0 .. 126, subnormal below 8. Twin: scalar/fp8.ts. */
#ifndef V4_E4M3_H
#define V4_E4M3_H

#include "vec.h"

/* Value of a code 0 .. 126, per lane. */
V4_INLINE vf e4m3_value(vi code) {
  return vf_select(vi_lt(code, vi_set(8)), vf_from_int(code) * 0x1p-9f, vi_as_float((code << 20) + (120 << 23)));
}

/* Nearest code of a value >= 0, ties to the even code, saturating at 126 (448), per lane. */
V4_INLINE vi e4m3_code(vf value) {
  const vi word = vf_bits(vf_min(value, vf_set(448.0f)));
  const vi normal = (word - (120 << 23) + 0x7ffff + (vi_shr(word, 20) & 1)) >> 20;
  return vi_select(vf_lt(value, vf_set(0x1p-6f)), vi_round(vf_min(value, vf_set(1.0f)) * 512.0f), normal);
}

#endif
