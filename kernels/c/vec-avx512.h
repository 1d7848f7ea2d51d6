/* Sixteen lanes: AVX-512 F, BW, DQ, VL. */
#include <immintrin.h>

enum { LANES = 16 };
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef __mmask16 vm;

V4_INLINE vf vf_set(float x) { return _mm512_set1_ps(x); }
V4_INLINE vi vi_set(int32_t x) { return (vi)_mm512_set1_epi32(x); }
V4_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
V4_INLINE void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
V4_INLINE vi vi_load(const int32_t *p) { return (vi)_mm512_loadu_si512(p); }
V4_INLINE vi vi_load_u8(const uint8_t *p) {
  return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
V4_INLINE vi vi_load_i8(const int8_t *p) {
  return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
V4_INLINE void vi_store(int32_t *p, vi a) { _mm512_storeu_si512(p, (__m512i)a); }

V4_INLINE vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
V4_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
V4_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
V4_INLINE vi vi_min(vi a, vi b) { return (vi)_mm512_min_epi32((__m512i)a, (__m512i)b); }
V4_INLINE vi vi_max(vi a, vi b) { return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b); }
V4_INLINE vi vi_mul(vi a, vi b) { return (vi)_mm512_mullo_epi32((__m512i)a, (__m512i)b); }
V4_INLINE vi vi_shr(vi a, int n) { return (vi)_mm512_srli_epi32((__m512i)a, (unsigned)n); }

V4_INLINE vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
V4_INLINE vm vf_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
V4_INLINE vm vi_lt(vi a, vi b) { return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b); }
V4_INLINE vm vi_eq(vi a, vi b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
V4_INLINE vm vm_and(vm a, vm b) { return (vm)(a & b); }
V4_INLINE vm vm_or(vm a, vm b) { return (vm)(a | b); }
V4_INLINE vm vm_andnot(vm a, vm b) { return (vm)(a & ~b); }
V4_INLINE vm vm_none(void) { return 0; }
V4_INLINE int vm_any(vm a) { return a != 0; }
V4_INLINE vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
V4_INLINE vi vi_select(vm m, vi a, vi b) { return (vi)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a); }

V4_INLINE vi vf_bits(vf a) { return (vi)_mm512_castps_si512(a); }
V4_INLINE vf vi_as_float(vi a) { return _mm512_castsi512_ps((__m512i)a); }
V4_INLINE vf vf_from_int(vi a) { return _mm512_cvtepi32_ps((__m512i)a); }
V4_INLINE vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
V4_INLINE vi vi_round(vf a) { return (vi)_mm512_cvtps_epi32(a); }
V4_INLINE vi vi_trunc(vf a) { return (vi)_mm512_cvttps_epi32(a); }

V4_INLINE void vi_store_i8(uint8_t *p, vi a) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8((__m512i)a));
}

V4_INLINE vi vi_gather(const int32_t *table, vi i) { return (vi)_mm512_i32gather_epi32((__m512i)i, table, 4); }
V4_INLINE vf vf_lookup16(const float *table, vi i) {
  return _mm512_permutexvar_ps((__m512i)i, _mm512_loadu_ps(table));
}

V4_INLINE vi vf_to_half(vf a) { return (vi)_mm512_cvtepu16_epi32(_mm512_cvtps_ph(a, 0)); }
V4_INLINE vf vf_from_half(vi a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)a)); }

V4_INLINE void lanes_transpose(const float *const rows[LANES], int columns, float *dst) {
  for (int c = 0; c < columns; c += 16, dst += 256) {
    __m512 r[16], t[16];
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(rows[i] + c);
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
      r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
      r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    /* r[4q + i], 128-bit part g: column 4g + i of rows 4q .. 4q + 3. */
    for (int i = 0; i < 4; i++) {
      __m512 a = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88), b = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xdd);
      __m512 e = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88);
      __m512 f = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xdd);
      _mm512_storeu_ps(dst + 16 * i, _mm512_shuffle_f32x4(a, e, 0x88));
      _mm512_storeu_ps(dst + 16 * (4 + i), _mm512_shuffle_f32x4(b, f, 0x88));
      _mm512_storeu_ps(dst + 16 * (8 + i), _mm512_shuffle_f32x4(a, e, 0xdd));
      _mm512_storeu_ps(dst + 16 * (12 + i), _mm512_shuffle_f32x4(b, f, 0xdd));
    }
  }
}
