/* Sixteen bytes at a time, for formats that store nibbles. Bytes move; no arithmetic that could differ. */
#ifndef V4_BYTES_H
#define V4_BYTES_H

#include "vec.h"

typedef uint8_t b16 __attribute__((vector_size(16)));

V4_INLINE b16 b16_load(const uint8_t *p) {
  b16 v;
  memcpy(&v, p, 16);
  return v;
}
V4_INLINE b16 b16_load8(const uint8_t *p) {
  b16 v = {0};
  memcpy(&v, p, 8);
  return v;
}
V4_INLINE void b16_store(uint8_t *p, b16 v) { memcpy(p, &v, 16); }

/* table[code], code 0..15. */
V4_INLINE b16 b16_lookup(const int8_t table[16], b16 code) {
#if defined(V4_AVX2) || defined(V4_AVX512)
  return (b16)_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)table), (__m128i)code);
#elif defined(V4_NEON)
  return (b16)vqtbl1q_u8(vld1q_u8((const uint8_t *)table), (uint8x16_t)code);
#else
  b16 value;
  for (int i = 0; i < 16; i++) value[i] = (uint8_t)table[code[i]];
  return value;
#endif
}

#if defined(__clang__)
#define V4_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define V4_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (b16){__VA_ARGS__})
#endif

/* a0 b0 a1 b1 ... of the first, or the last, eight bytes of each. */
V4_INLINE b16 b16_zip_low(b16 a, b16 b) {
  return V4_SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
V4_INLINE b16 b16_zip_high(b16 a, b16 b) {
  return V4_SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/* dst[i] = scale * (signed byte i), sixteen of them. */
V4_INLINE void b16_scale(b16 values, float scale, float *dst) {
  int8_t q[16];
  memcpy(q, &values, 16);
  for (int i = 0; i < 16; i += LANES) vf_store(dst + i, vf_from_int(vi_load_i8(q + i)) * vf_set(scale));
}

#endif
