/* q4_1, q5_0, q5_1, which are only read. Twin and layouts: scalar/legacy.ts. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "half.h"
#include "kernels.h"

enum { LENGTH = 32 };

/* Codes of a block, fifth bits included. */
V4_INLINE void codes_of(const uint8_t *nibbles, uint32_t high, int32_t q[LENGTH]) {
  for (int i = 0; i < 16; i++) {
    q[i] = (int32_t)((nibbles[i] & 15u) | (high >> i & 1) << 4);
    q[16 + i] = (int32_t)((nibbles[i] >> 4) | (high >> (16 + i) & 1) << 4);
  }
}

V4_INLINE ptrdiff_t decode(const uint8_t *src, float *dst, size_t blocks, int fifth_bit, int minimum) {
  const int high_at = minimum ? 4 : 2, nibbles_at = high_at + (fifth_bit ? 4 : 0);
  for (size_t b = 0; b < blocks; b++, src += nibbles_at + 16, dst += LENGTH) {
    const float d = half_load(src), m = minimum ? half_load(src + 2) : 0.0f;
    uint32_t high = 0;
    int32_t q[LENGTH];
    if (fifth_bit) memcpy(&high, src + high_at, 4);
    codes_of(src + nibbles_at, high, q);
    for (int i = 0; i < LENGTH; i++) dst[i] = minimum ? d * (float)q[i] + m : d * (float)(q[i] - 16);
  }
  return V4_OK;
}

ptrdiff_t V4(decode_q4_1)(const uint8_t *src, float *dst, size_t blocks) { return decode(src, dst, blocks, 0, 1); }
ptrdiff_t V4(decode_q5_0)(const uint8_t *src, float *dst, size_t blocks) { return decode(src, dst, blocks, 1, 0); }
ptrdiff_t V4(decode_q5_1)(const uint8_t *src, float *dst, size_t blocks) { return decode(src, dst, blocks, 1, 1); }
