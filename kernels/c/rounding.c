/*
 * Fake quantisation of activations and cached rows, in place. Twin: scalar/rounding.ts, with identical bits: the
 * scale is a power of two, so only the rounding to E4M3 or E2M1 rounds.
 */
#include "set.h"
#include "vec.h"

#include "e4m3.h"
#include "forward-parts.h"
#include "fp4.h"

/* The smallest power of two not below a positive normal value, from its bits. */
V4_INLINE float power_above(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  bits = (bits + 0x7fffff) & 0x7f800000;
  memcpy(&value, &bits, 4);
  return value;
}

V4_INLINE vf round_e4m3(vf magnitude) { return e4m3_value(e4m3_code(magnitude)); }

/* `floor` keeps the scale of a zero group positive; `inverse_largest` is 1 / the format's largest value. */
V4_INLINE ptrdiff_t round_rows(float *x, size_t rows, size_t stride, size_t cols, size_t group, float floor,
                               float inverse_largest, vf (*round)(vf)) {
  for (size_t row = 0; row < rows; row++)
    for (size_t from = row * stride; from < row * stride + cols; from += group) {
      vi bits = vi_set(0); /* of magnitudes: ordered like the numbers, NaN last */
      for (size_t i = from; i < from + group; i += LANES) bits = vi_max(bits, vf_bits(vf_abs(vf_load(x + i))));
      int32_t lane[LANES], largest = 0;
      vi_store(lane, bits);
      for (int i = 0; i < LANES; i++) largest = lane[i] > largest ? lane[i] : largest;
      if (largest >= 0x7f800000) {
        size_t i = from;
        while (isfinite(x[i])) i++;
        return (ptrdiff_t)i;
      }
      float peak;
      memcpy(&peak, &largest, 4);
      const float scale = power_above((peak > floor ? peak : floor) * inverse_largest), inverse = 1.0f / scale;
      for (size_t i = from; i < from + group; i += LANES) {
        const vf value = vf_load(x + i);
        const vf magnitude = round(vf_abs(value) * inverse) * scale;
        vf_store(x + i, vi_as_float(vf_bits(magnitude) | (vf_bits(value) & (int32_t)0x80000000)));
      }
    }
  return V4_OK;
}

ptrdiff_t V4(round_f8)(float *x, size_t rows, size_t stride, size_t cols, size_t group) {
  return round_rows(x, rows, stride, cols, group, 1e-4f, 1.0f / 448.0f, round_e4m3);
}

ptrdiff_t V4(round_f4)(float *x, size_t rows, size_t stride, size_t cols, size_t group) {
  return round_rows(x, rows, stride, cols, group, 0x1.8p-124f, 1.0f / 6.0f, e2m1_round);
}

void V4(round_bf16)(float *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, 4);
    const uint32_t nan = (bits & 0x7fffffff) > 0x7f800000; /* a NaN must not round to infinity */
    bits = nan ? bits | 0x400000 : bits + 0x7fff + ((bits >> 16) & 1);
    bits &= 0xffff0000;
    memcpy(x + i, &bits, 4);
  }
}
