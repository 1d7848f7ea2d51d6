/*
 * The vector layer: about thirty operations on LANES lanes, written once per instruction set.
 *
 * A lane is one block (a super-block of 256, or a block of 32): every lane runs the scalar algorithm of its
 * own block, and nothing ever crosses lanes in a hot loop. All widths therefore execute the same IEEE
 * operations in the same order per block, and their bytes are identical. What keeps it so:
 *   - compiled with -ffp-contract=off, never -ffast-math; no rcp/rsqrt estimates;
 *   - min and max are `a < b ? a : b` and `a > b ? a : b` (x86 operand order) on every set;
 *   - vi_round and vf_round are round-to-nearest-even and only defined for |x| < 2^22: clamp first. Sets differ
 *     in whether -0.3 becomes -0 or 0, which no sum shows: never store the sign of a rounded zero.
 *
 * `vf` is LANES floats, `vi` LANES int32, `vm` a mask. + - * / (and for vi + - & | ^ << >>) are the
 * compiler's own operators, also between a vector and a scalar constant; the rest is below.
 */
#ifndef V4_VEC_H
#define V4_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "block formats are little-endian and so is this code"
#endif

#define V4_INLINE static inline __attribute__((always_inline, unused))

/* V4_SET is the symbol suffix of this compilation (plain, avx2, avx512, neon): V4(decode_q8_0) is its name. */
#define V4_JOIN2(name, set) v4_##name##_##set
#define V4_JOIN(name, set) V4_JOIN2(name, set)
#define V4(name) V4_JOIN(name, V4_SET)

#if defined(V4_AVX512)
#include "vec-avx512.h"
#elif defined(V4_AVX2)
#include "vec-avx2.h"
#elif defined(V4_NEON)
#include "vec-neon.h"
#else
#include "vec-plain.h"
#endif

V4_INLINE vf vf_abs(vf a) { return vi_as_float(vf_bits(a) & 0x7fffffff); }
V4_INLINE vm vf_gt(vf a, vf b) { return vf_lt(b, a); }
V4_INLINE vm vi_gt(vi a, vi b) { return vi_lt(b, a); }
V4_INLINE vf vf_clamp(vf a, vf low, vf high) { return vf_max(vf_min(a, high), low); }
V4_INLINE vi vi_clamp(vi a, vi low, vi high) { return vi_max(vi_min(a, high), low); }
/* 1/a where `ok`, else 0: the usual guard for scales that may be zero. */
V4_INLINE vf vf_inverse_if(vm ok, vf a) {
  return vf_select(ok, vf_set(1.0f) / vf_select(ok, a, vf_set(1.0f)), vf_set(0.0f));
}

/* bf16 bits in the low 16, round to nearest even (no NaN); and back. */
V4_INLINE vi vf_to_bf16(vf a) {
  const vi word = vf_bits(a);
  return vi_shr(word + 0x7fff + (vi_shr(word, 16) & 1), 16);
}
V4_INLINE vf vf_from_bf16(vi a) { return vi_as_float(a << 16); }

#include "batch.h"

#endif
