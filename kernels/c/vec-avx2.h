/* Eight lanes: AVX2 with F16C. */
#include <immintrin.h>

enum { LANES = 8 };
typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef __m256i vm;

V4_INLINE vf vf_set(float x) { return _mm256_set1_ps(x); }
V4_INLINE vi vi_set(int32_t x) { return (vi)_mm256_set1_epi32(x); }
V4_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
V4_INLINE void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
V4_INLINE vi vi_load(const int32_t *p) { return (vi)_mm256_loadu_si256((const __m256i *)p); }
V4_INLINE vi vi_load_u8(const uint8_t *p) {
  return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
V4_INLINE vi vi_load_i8(const int8_t *p) {
  return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
V4_INLINE void vi_store(int32_t *p, vi a) { _mm256_storeu_si256((__m256i *)p, (__m256i)a); }

V4_INLINE vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
V4_INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
V4_INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
V4_INLINE vi vi_min(vi a, vi b) { return (vi)_mm256_min_epi32((__m256i)a, (__m256i)b); }
V4_INLINE vi vi_max(vi a, vi b) { return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b); }
V4_INLINE vi vi_mul(vi a, vi b) { return (vi)_mm256_mullo_epi32((__m256i)a, (__m256i)b); }
V4_INLINE vi vi_shr(vi a, int n) { return (vi)_mm256_srli_epi32((__m256i)a, n); }

V4_INLINE vm vf_lt(vf a, vf b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
V4_INLINE vm vf_le(vf a, vf b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LE_OQ)); }
V4_INLINE vm vi_lt(vi a, vi b) { return _mm256_cmpgt_epi32((__m256i)b, (__m256i)a); }
V4_INLINE vm vi_eq(vi a, vi b) { return _mm256_cmpeq_epi32((__m256i)a, (__m256i)b); }
V4_INLINE vm vm_and(vm a, vm b) { return _mm256_and_si256(a, b); }
V4_INLINE vm vm_or(vm a, vm b) { return _mm256_or_si256(a, b); }
V4_INLINE vm vm_andnot(vm a, vm b) { return _mm256_andnot_si256(b, a); }
V4_INLINE vm vm_none(void) { return _mm256_setzero_si256(); }
V4_INLINE int vm_any(vm a) { return !_mm256_testz_si256(a, a); }
V4_INLINE vf vf_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(m)); }
V4_INLINE vi vi_select(vm m, vi a, vi b) { return (vi)_mm256_blendv_epi8((__m256i)b, (__m256i)a, m); }

V4_INLINE vi vf_bits(vf a) { return (vi)_mm256_castps_si256(a); }
V4_INLINE vf vi_as_float(vi a) { return _mm256_castsi256_ps((__m256i)a); }
V4_INLINE vf vf_from_int(vi a) { return _mm256_cvtepi32_ps((__m256i)a); }
V4_INLINE vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
V4_INLINE vi vi_round(vf a) { return (vi)_mm256_cvtps_epi32(a); }
V4_INLINE vi vi_trunc(vf a) { return (vi)_mm256_cvttps_epi32(a); }

V4_INLINE void vi_store_i8(uint8_t *p, vi a) {
  __m256i wide = (__m256i)a;
  __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(half, half));
}

V4_INLINE vi vi_gather(const int32_t *table, vi i) { return (vi)_mm256_i32gather_epi32(table, (__m256i)i, 4); }
V4_INLINE vf vf_lookup16(const float *table, vi i) {
  __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)i);
  __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)i);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps((__m256i)(i << 28)));
}

V4_INLINE vi vf_to_half(vf a) { return (vi)_mm256_cvtepu16_epi32(_mm256_cvtps_ph(a, 0)); }
V4_INLINE vf vf_from_half(vi a) {
  __m256i wide = (__m256i)a;
  return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1)));
}

V4_INLINE void lanes_transpose(const float *const rows[LANES], int columns, float *dst) {
  for (int c = 0; c < columns; c += 8, dst += 64) {
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(rows[i] + c);
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
      r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
      _mm256_storeu_ps(dst + 8 * i, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
      _mm256_storeu_ps(dst + 8 * (i + 4), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
  }
}
