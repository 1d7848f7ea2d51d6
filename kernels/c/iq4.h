/* Levels and scale search of iq4_nl and iq4_xs, one block per lane. Twin and description: scalar/iq4.ts. */
#ifndef V4_IQ4_H
#define V4_IQ4_H

#include "vec.h"

static const int8_t IQ4_LEVELS[16] __attribute__((unused)) = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                              1,    13,   25,  38,  53,  69,  89,  113};
static const float IQ4_LEVELS_F[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/* The midpoint above each level; a value on it belongs to the upper level. */
static const float IQ4_MIDPOINTS[16] = {-115.5f, -93.5f, -74.0f, -57.0f, -42.0f, -28.5f, -16.0f, -4.5f,
                                        7.0f,    19.0f,  31.5f,  45.5f,  61.0f,  79.0f,  101.0f, INFINITY};

enum { IQ4_SWEEP = 4, IQ4_SWEEPS = 2 };
static const float IQ4_CANDIDATES[IQ4_SWEEPS][IQ4_SWEEP] = {{-127, -118, 113, -108}, {-136, 105, -99, 120}};
static const float IQ4_REFINE[IQ4_SWEEP] = {1.0f, 0.98f, 1.02f, 1.04f};

/* Code of the nearest level: a binary search in the midpoints. */
V4_INLINE vi iq4_code(vf value) {
  const vi zero = vi_set(0);
  const vm upper = vf_le(vf_set(IQ4_MIDPOINTS[7]), value);
  vi code = vi_select(upper, vi_set(8), zero);
  const vf quarter = vf_select(upper, vf_set(IQ4_MIDPOINTS[11]), vf_set(IQ4_MIDPOINTS[3]));
  code |= vi_select(vf_le(quarter, value), vi_set(4), zero);
  code |= vi_select(vf_le(vf_lookup16(IQ4_MIDPOINTS, code | 1), value), vi_set(2), zero);
  return code | vi_select(vf_le(vf_lookup16(IQ4_MIDPOINTS, code), value), vi_set(1), zero);
}

V4_INLINE void iq4_sweep(const float *x, const float *w, int length, const vf inverse[IQ4_SWEEP], vf *best, vf *scale) {
  vf a[IQ4_SWEEP], b[IQ4_SWEEP];
  for (int c = 0; c < IQ4_SWEEP; c++) a[c] = b[c] = vf_set(0.0f);
  for (int i = 0; i < length; i++) {
    const vf value = vf_load(x + i * LANES);
    const vf weight = w ? vf_load(w + i * LANES) : value;
#pragma GCC unroll 4
    for (int c = 0; c < IQ4_SWEEP; c++) {
      const vf level = vf_lookup16(IQ4_LEVELS_F, iq4_code(inverse[c] * value));
      const vf weighted = w ? weight * level : level;
      a[c] = a[c] + weighted * value;
      b[c] = b[c] + weighted * level;
    }
  }
  for (int c = 0; c < IQ4_SWEEP; c++) {
    const vf candidate = a[c] * vf_inverse_if(vf_gt(b[c], vf_set(0.0f)), b[c]);
    const vf gain = a[c] * candidate;
    const vm better = vf_gt(gain, *best + *best * 2e-6f);
    *best = vf_select(better, gain, *best);
    *scale = vf_select(better, candidate, *scale);
  }
}

V4_INLINE vf iq4_fit(const float *x, const float *w, int length) {
  const vf zero = vf_set(0.0f);
  vf peak = zero, extreme = zero, best = zero, scale = zero, inverse[IQ4_SWEEP];
  for (int i = 0; i < length; i++) {
    const vf value = vf_load(x + i * LANES), magnitude = vf_abs(value);
    extreme = vf_select(vf_gt(magnitude, peak), value, extreme);
    peak = vf_max(magnitude, peak);
  }
  const vf unit = vf_inverse_if(vf_gt(peak, zero), extreme);
  for (int sweep = 0; sweep < IQ4_SWEEPS; sweep++) {
    for (int c = 0; c < IQ4_SWEEP; c++) inverse[c] = vf_set(IQ4_CANDIDATES[sweep][c]) * unit;
    iq4_sweep(x, w, length, inverse, &best, &scale);
  }
  const vf around = vf_inverse_if(vf_gt(vf_abs(scale), zero), scale);
  for (int c = 0; c < IQ4_SWEEP; c++) inverse[c] = vf_set(IQ4_REFINE[c]) * around;
  iq4_sweep(x, w, length, inverse, &best, &scale);
  return scale;
}

/* Sixteen bytes of 32 codes: element i low and element i + 16 high in byte i. */
V4_INLINE void iq4_pack(const float *x, vf inverse, vi words[4]) {
  for (int k = 0; k < 4; k++) {
    words[k] = vi_set(0);
    for (int i = 0; i < 4; i++) {
      const vi low = iq4_code(vf_load(x + (4 * k + i) * LANES) * inverse);
      const vi high = iq4_code(vf_load(x + (16 + 4 * k + i) * LANES) * inverse);
      words[k] |= (low | high << 4) << (8 * i);
    }
  }
}

#endif
