/* q4_1, q5_0, q5_1, which are only read. Twin and layouts: scalar/legacy.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "half.h"
#include "kernels.h"

enum { LENGTH = 32 };

V4_INLINE ptrdiff_t decode(const uint8_t *src, float *dst, size_t blocks, int fifth_bit, int minimum) {
  const int high_at = minimum ? 4 : 2, nibbles_at = high_at + (fifth_bit ? 4 : 0);
  for (size_t b = 0; b < blocks; b++, src += nibbles_at + 16, dst += LENGTH) {
    const float d = half_load(src);
    const b16 nibbles = b16_load(src + nibbles_at);
    b16 first = nibbles & 15, second = nibbles >> 4;
    if (fifth_bit) {
      uint16_t high[2];
      memcpy(high, src + high_at, 4);
      first |= b16_from_bits(high[0]) & 16;
      second |= b16_from_bits(high[1]) & 16;
    }
    if (minimum) {
      const float m = half_load(src + 2);
      b16_scale_add(first, d, m, dst);
      b16_scale_add(second, d, m, dst + 16);
    } else {
      b16_scale(first - 16, d, dst);
      b16_scale(second - 16, d, dst + 16);
    }
  }
  return V4_OK;
}

ptrdiff_t V4(decode_q4_1)(const uint8_t *src, float *dst, size_t blocks) { return decode(src, dst, blocks, 0, 1); }
ptrdiff_t V4(decode_q5_0)(const uint8_t *src, float *dst, size_t blocks) { return decode(src, dst, blocks, 1, 0); }
ptrdiff_t V4(decode_q5_1)(const uint8_t *src, float *dst, size_t blocks) { return decode(src, dst, blocks, 1, 1); }
