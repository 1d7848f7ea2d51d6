/* The best scale of symmetric codes, one block per lane. Twin and description: scalar/symmetric-fit.ts. */
#ifndef V4_SYMMETRIC_H
#define V4_SYMMETRIC_H

#include "vec.h"

enum { SYMMETRIC_SWEEP = 4 };

struct symmetric_traits {
  int nmax, sweeps;
  float codes[2][SYMMETRIC_SWEEP];
  float refine[SYMMETRIC_SWEEP];
};

/* Four candidates in one pass: x and w are loaded once for four. `w` NULL means 1. */
V4_INLINE void symmetric_sweep(const float *x, const float *w, int length, int nmax, const vf inverse[SYMMETRIC_SWEEP],
                               vf *best, vf *scale) {
  const vf zero = vf_set(0.0f), low = vf_set((float)-nmax), high = vf_set((float)(nmax - 1));
  vf a[SYMMETRIC_SWEEP], b[SYMMETRIC_SWEEP];
  for (int c = 0; c < SYMMETRIC_SWEEP; c++) a[c] = b[c] = zero;
  for (int i = 0; i < length; i++) {
    const vf value = vf_load(x + i * LANES);
    const vf weight = w ? vf_load(w + i * LANES) : zero;
#pragma GCC unroll 4
    for (int c = 0; c < SYMMETRIC_SWEEP; c++) {
      const vf q = vf_round(vf_clamp(inverse[c] * value, low, high));
      const vf wq = w ? weight * q : q;
      a[c] = a[c] + wq * value;
      b[c] = b[c] + wq * q;
    }
  }
  for (int c = 0; c < SYMMETRIC_SWEEP; c++) {
    const vf candidate = a[c] * vf_inverse_if(vf_gt(b[c], zero), b[c]);
    const vf gain = a[c] * candidate;
    const vm better = vf_gt(gain, *best + *best * 2e-6f);
    *best = vf_select(better, gain, *best);
    *scale = vf_select(better, candidate, *scale);
  }
}

V4_INLINE vf symmetric_fit(const float *x, const float *w, int length, const struct symmetric_traits *traits) {
  const vf zero = vf_set(0.0f);
  vf peak = zero, extreme = zero, best = zero, scale = zero, inverse[SYMMETRIC_SWEEP];
  for (int i = 0; i < length; i++) {
    const vf value = vf_load(x + i * LANES), magnitude = vf_abs(value);
    extreme = vf_select(vf_gt(magnitude, peak), value, extreme);
    peak = vf_max(magnitude, peak);
  }
  const vf unit = vf_inverse_if(vf_gt(peak, zero), -extreme);
  for (int sweep = 0; sweep < traits->sweeps; sweep++) {
    for (int c = 0; c < SYMMETRIC_SWEEP; c++) inverse[c] = vf_set(traits->codes[sweep][c]) * unit;
    symmetric_sweep(x, w, length, traits->nmax, inverse, &best, &scale);
  }
  if (!w) return scale; /* the sweeps alone are well ahead of the usual search */
  const vf around = vf_inverse_if(vf_gt(vf_abs(scale), zero), scale);
  for (int c = 0; c < SYMMETRIC_SWEEP; c++) inverse[c] = vf_set(traits->refine[c]) * around;
  symmetric_sweep(x, w, length, traits->nmax, inverse, &best, &scale);
  return scale;
}

/* The scale code among code, code - 1, code + 1 whose codes leave the least true error, now that d is rounded. */
V4_INLINE vi symmetric_rechoose(const float *x, const float *w, int length, int nmax, vf d, vi code, int code_max) {
  const vf zero = vf_set(0.0f), low = vf_set((float)-nmax), high = vf_set((float)(nmax - 1));
  vi candidate[3];
  vf scale[3], inverse[3], error[3];
  for (int c = 0; c < 3; c++) {
    candidate[c] = vi_clamp(code + (c == 0 ? 0 : c == 1 ? -1 : 1), vi_set(-code_max), vi_set(code_max - 1));
    scale[c] = d * vf_from_int(candidate[c]);
    inverse[c] = vf_inverse_if(vf_gt(vf_abs(scale[c]), zero), scale[c]);
    error[c] = zero;
  }
  for (int i = 0; i < length; i++) {
    const vf value = vf_load(x + i * LANES), weight = vf_load(w + i * LANES);
#pragma GCC unroll 3
    for (int c = 0; c < 3; c++) {
      const vf difference = value - scale[c] * vf_round(vf_clamp(value * inverse[c], low, high));
      error[c] = error[c] + weight * (difference * difference);
    }
  }
  for (int c = 1; c < 3; c++) {
    const vm better = vf_lt(error[c], error[0]);
    error[0] = vf_select(better, error[c], error[0]);
    candidate[0] = vi_select(better, candidate[c], candidate[0]);
  }
  return candidate[0];
}

/* Codes of a symmetric format, as signed integers. */
V4_INLINE vi symmetric_code(vf x, vf inverse, int nmax) {
  return vi_round(vf_clamp(x * inverse, vf_set((float)-nmax), vf_set((float)(nmax - 1))));
}

#endif
