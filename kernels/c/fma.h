/*
 * Multiply-add with one rounding. Only for kernels whose results may differ between instruction sets (gemm,
 * attention): encoders and decoders must not include this.
 */
#ifndef V4_FMA_H
#define V4_FMA_H

#include "vec.h"

/* a * b + c; two roundings where the set has no such instruction. */
V4_INLINE vf vf_fma(vf a, vf b, vf c) {
#if defined(V4_AVX512)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(V4_AVX2)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(V4_NEON)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

/* The sum of the lanes: by halves on x86, else in the order of their indices. */
V4_INLINE float vf_sum(vf a) {
#if defined(V4_AVX2)
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#elif defined(V4_AVX512)
  return _mm512_reduce_add_ps(a);
#else
  float lane[LANES], sum;
  vf_store(lane, a);
  sum = lane[0];
  for (int i = 1; i < LANES; i++) sum += lane[i];
  return sum;
#endif
}

/* Completely unrolls the loop that follows, so that an array of accumulators lives in registers. */
#if defined(__clang__)
#define V4_UNROLL _Pragma("unroll")
#else
#define V4_UNROLL _Pragma("GCC unroll 16")
#endif

#endif
