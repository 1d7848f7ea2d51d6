/* The search that both orders of nvfp4 share. Twin and description: scalar/nvfp4.ts. */
#ifndef V4_NVFP4_H
#define V4_NVFP4_H

#include "e4m3.h"
#include "fp4.h"

enum { NVFP4_GROUP = 16 };

/* The best scale code, `least` .. 126, of sixteen values per lane among a few around peak / 6. */
V4_INLINE vi nvfp4_best_scale(const float *x, const float *w, int weighted, int least) {
  static const int steps[] = {0, 1, -1, 2, 3, 4, 5, -2};
  vf peak = vf_set(0.0f);
  for (int i = 0; i < NVFP4_GROUP; i++) peak = vf_max(vf_abs(vf_load(x + i * LANES)), peak);
  const vi middle = e4m3_code(peak * (1.0f / 6));
  vi best = vi_set(0);
  vf best_error = vf_set(INFINITY);
  for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
    const vi code = vi_clamp(middle + steps[s], vi_set(least), vi_set(126));
    const vf scale = e4m3_value(code);
    const vf inverse = vf_inverse_if(vi_lt(vi_set(0), code), scale);
    vf error = vf_set(0.0f);
    for (int i = 0; i < NVFP4_GROUP; i++) {
      const vf a = vf_abs(vf_load(x + i * LANES));
      const vf difference = e2m1_round(a * inverse) * scale - a;
      const vf square = difference * difference;
      if (weighted)
        error = error + vf_load(w + i * LANES) * square;
      else
        error = error + square;
    }
    const vm better = vf_lt(error, best_error);
    best_error = vf_select(better, error, best_error);
    best = vi_select(better, code, best);
  }
  return best;
}

/* E2M1 codes with their signs, of sixteen values per lane under a scale code. */
V4_INLINE void nvfp4_codes(const float *x, vi code, vi q[NVFP4_GROUP]) {
  const vf inverse = vf_inverse_if(vi_lt(vi_set(0), code), e4m3_value(code));
  for (int i = 0; i < NVFP4_GROUP; i++) {
    const vf v = vf_load(x + i * LANES);
    const vi sign = vi_select(vf_lt(v, vf_set(0.0f)), vi_set(8), vi_set(0));
    q[i] = e2m1_code(e2m1_round(vf_abs(v) * inverse)) | sign;
  }
}

#endif
