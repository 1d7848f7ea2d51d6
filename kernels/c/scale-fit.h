/* Codes and one scale for the scales of a super-block, per lane. Twin and description: scalar/scale-fit.ts. */
#ifndef V4_SCALE_FIT_H
#define V4_SCALE_FIT_H

#include "vec.h"

V4_INLINE vf fit_scales(const vf *values, const vf *weights, int count, int qmax, vi *codes) {
  static const float steps[] = {0.0f, -0.4f, -0.3f, -0.2f, -0.1f, 0.1f, 0.2f, 0.3f, 0.4f};
  enum { SWEEPS = 5, COUNT_MAX = 16 };
  const vf zero = vf_set(0.0f), one = vf_set(1.0f), top = vf_set((float)qmax);
  vf largest = zero;
  for (int i = 0; i < count; i++) largest = vf_max(values[i], largest);
  const vm some = vf_gt(largest, vf_set(1e-15f));
  const vf unit = one / vf_select(some, largest, one);

  vf best_inverse = zero, best_error = vf_set(INFINITY);
  for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
    const vf inverse = vf_set(steps[s] + (float)qmax) * unit;
    const vf scale = one / inverse;
    vf error = zero;
    for (int i = 0; i < count; i++) {
      const vf q = vf_round(vf_min(inverse * values[i], top));
      const vf difference = values[i] - scale * q;
      error = error + weights[i] * (difference * difference);
    }
    const vm better = vf_lt(error, best_error);
    best_error = vf_select(better, error, best_error);
    best_inverse = vf_select(better, inverse, best_inverse);
  }

  vf q[COUNT_MAX], sxq = zero, sqq = zero;
  for (int i = 0; i < count; i++) {
    q[i] = vf_round(vf_min(best_inverse * values[i], top));
    const vf wq = weights[i] * q[i];
    sxq = sxq + wq * values[i];
    sqq = sqq + wq * q[i];
  }
  for (int sweep = 0; sweep < SWEEPS; sweep++) {
    vm changed = vm_none();
    for (int i = 0; i < count; i++) {
      const vf wx = weights[i] * values[i];
      const vf rest_x = sxq - wx * q[i], rest_q = sqq - weights[i] * q[i] * q[i];
      const vm rest = vm_and(vf_gt(rest_x, zero), vf_gt(rest_q, zero));
      const vf code = vf_round(vf_clamp(values[i] * rest_q / vf_select(rest, rest_x, one), zero, top));
      const vf new_x = rest_x + wx * code, new_q = rest_q + weights[i] * code * code;
      const vm other = vm_or(vf_lt(code, q[i]), vf_gt(code, q[i]));
      const vm better = vf_gt(new_x * new_x * sqq, sxq * sxq * new_q);
      const vm take = vm_and(vm_and(rest, other), better);
      q[i] = vf_select(take, code, q[i]);
      sxq = vf_select(take, new_x, sxq);
      sqq = vf_select(take, new_q, sqq);
      changed = vm_or(changed, take);
    }
    if (!vm_any(changed)) break;
  }
  for (int i = 0; i < count; i++) codes[i] = vi_select(some, vi_round(vf_min(q[i], top)), vi_set(0));
  const vm positive = vm_and(some, vf_gt(sqq, zero));
  return vf_select(positive, sxq / vf_select(positive, sqq, one), zero);
}

#endif
