/* Groups of a matrix on the lanes, for the formats whose codes and scales are separate tensors. */
#ifndef V4_GROUPS_H
#define V4_GROUPS_H

#include "vec.h"

enum { MAX_GROUP = 128 };

/* The range of peaks under a bf16 scale; see scalar/limits.ts. */
#define BF16_SCALE_MAX 0x1p60f
#define BF16_SCALE_TINY 0x1p-100f

/* Transposes groups first .. first + count - 1, each modulo `period`; the last one also fills the spare lanes. */
V4_INLINE void lanes_take_groups(const float *src, size_t group, size_t first, size_t count, size_t period, float *dst) {
  const float *groups[LANES];
  for (size_t lane = 0; lane < LANES; lane++)
    groups[lane] = src + (first + (lane < count ? lane : count - 1)) % period * group;
  lanes_transpose(groups, (int)group, dst);
}

/*
 * Widens `low` and `high` by the transposed groups `x`. V4_OK, or the position in `src`, where the groups came from, of
 * the first value that is not finite or larger in magnitude than `largest`.
 */
V4_INLINE ptrdiff_t lanes_range(const float *src, const float *x, size_t group, float largest, vf *low, vf *high) {
  vm refused = vm_none();
  const vm all = vf_le(vf_set(0.0f), vf_set(0.0f));
  for (size_t i = 0; i < group; i++) {
    const vf v = vf_load(x + i * LANES);
    *low = vf_min(v, *low);
    *high = vf_max(v, *high);
    refused = vm_or(refused, vm_andnot(all, vf_le(vf_abs(v), vf_set(largest))));
  }
  if (!vm_any(refused)) return V4_OK;
  for (ptrdiff_t i = 0;; i++)
    if (!(fabsf(src[i]) <= largest)) return i;
}

#endif
