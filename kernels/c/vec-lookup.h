/* Small tables of floats, one lookup per lane. Only the low 2 (3) bits of an index count. */
#ifndef V4_VEC_LOOKUP_H
#define V4_VEC_LOOKUP_H

#include "vec.h"

V4_INLINE vf vf_lookup4(const float *table, vi i) {
#if defined(V4_AVX512)
  return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(table)), (__m512i)i);
#elif defined(V4_AVX2)
  return _mm256_permutevar_ps(_mm256_broadcast_ps((const __m128 *)(const void *)table), (__m256i)i);
#elif defined(V4_NEON)
  int32_t at[4];
  vst1q_s32(at, i & 3);
  float value[4] = {table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
  return vld1q_f32(value);
#else
  return table[i & 3];
#endif
}

V4_INLINE vf vf_lookup8(const float *table, vi i) {
#if defined(V4_AVX512)
  return _mm512_permutexvar_ps((__m512i)i, _mm512_broadcast_f32x8(_mm256_loadu_ps(table)));
#elif defined(V4_AVX2)
  return _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)i);
#elif defined(V4_NEON)
  int32_t at[4];
  vst1q_s32(at, i & 7);
  float value[4] = {table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
  return vld1q_f32(value);
#else
  return table[i & 7];
#endif
}

#endif
