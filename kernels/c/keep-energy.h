/* The factor that gives a finished block the energy it had. Twin and reasons: scalar/keep-energy.ts. */
#ifndef V4_KEEP_ENERGY_H
#define V4_KEEP_ENERGY_H

#include "vec.h"

V4_INLINE vf keep_energy(vf energy, vf kept) {
  const vf zero = vf_set(0.0f);
  const vm some = vm_and(vf_gt(energy, zero), vf_gt(kept, zero));
  const vf factor = vf_min(vf_sqrt(energy * vf_inverse_if(some, kept)), vf_set(2.0f));
  return vf_select(some, factor, vf_set(1.0f));
}

#endif
