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
/* Eight bytes, then zeros; two times eight; four times four. Words, as partial writes of a vector would go through memory. */
typedef uint64_t b16_words2 __attribute__((vector_size(16)));
typedef uint32_t b16_words4 __attribute__((vector_size(16)));
V4_INLINE b16 b16_load8(const uint8_t *p) {
  uint64_t word;
  memcpy(&word, p, 8);
  return (b16)(b16_words2){word, 0};
}
V4_INLINE b16 b16_load_2(const uint8_t *p0, const uint8_t *p1) {
  uint64_t word[2];
  memcpy(&word[0], p0, 8);
  memcpy(&word[1], p1, 8);
  return (b16)(b16_words2){word[0], word[1]};
}
V4_INLINE b16 b16_load_4(const uint8_t *p0, const uint8_t *p1, const uint8_t *p2, const uint8_t *p3) {
  uint32_t word[4];
  memcpy(&word[0], p0, 4);
  memcpy(&word[1], p1, 4);
  memcpy(&word[2], p2, 4);
  memcpy(&word[3], p3, 4);
  return (b16)(b16_words4){word[0], word[1], word[2], word[3]};
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

/* The first, or the last, eight bytes of a and then of b. */
V4_INLINE b16 b16_join_low(b16 a, b16 b) {
  return V4_SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}
V4_INLINE b16 b16_join_high(b16 a, b16 b) {
  return V4_SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}

/* Byte i is 255 where bit i is set, else 0. */
V4_INLINE b16 b16_from_bits(uint16_t bits) {
  typedef uint16_t h8 __attribute__((vector_size(16)));
  const b16 words = (b16)((h8){0} + bits);
  const b16 bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  return (b16)((V4_SHUFFLE(words, words, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1) & bit) == bit);
}

/* dst[i] = scale * (signed byte i), sixteen of them. */
V4_INLINE void b16_scale(b16 values, float scale, float *dst) {
  int8_t q[16];
  memcpy(q, &values, 16);
  for (int i = 0; i < 16; i += LANES) vf_store(dst + i, vf_from_int(vi_load_i8(q + i)) * vf_set(scale));
}

/* dst[i] = scale * (signed byte i) + offset, sixteen of them: two roundings. */
V4_INLINE void b16_scale_add(b16 values, float scale, float offset, float *dst) {
  int8_t q[16];
  memcpy(q, &values, 16);
  for (int i = 0; i < 16; i += LANES)
    vf_store(dst + i, vf_from_int(vi_load_i8(q + i)) * vf_set(scale) + vf_set(offset));
}

#endif
