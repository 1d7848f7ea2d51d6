/* Packed FP4 of the official checkpoint to f32, and to mxfp4 blocks. Twins: scalar/fp4.ts, scalar/mxfp4.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "fp4.h"
#include "kernels.h"

static const float E2M1[16] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f,
                               -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

/* Thirty-two consecutive values. Code 8 is -0: the sign goes in after the product. */
V4_INLINE void decode32(const uint8_t *codes, float half_scale, float *dst) {
  const b16 packed = b16_load(codes);
  const b16 even = packed & 15, odd = packed >> 4;
  const b16 code[2] = {b16_zip_low(even, odd), b16_zip_high(even, odd)};
  for (int part = 0; part < 2; part++) {
    int8_t magnitude[16];
    uint8_t sign[16];
    const b16 value = b16_lookup(E2M1_DOUBLED, code[part] & 7);
    b16_store((uint8_t *)magnitude, value);
    b16_store(sign, code[part] & 8);
    for (int i = 0; i < 16; i += LANES) {
      const vf y = vf_from_int(vi_load_i8(magnitude + i)) * vf_set(half_scale);
      vf_store(dst + 16 * part + i, vi_as_float(vf_bits(y) | vi_load_u8(sign + i) << 28));
    }
  }
}

ptrdiff_t V4(decode_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, float *dst) {
  for (size_t g = 0; g < groups; g++, codes += group / 2, dst += group) {
    if (scales[g] == 255) return (ptrdiff_t)g;
    size_t i = 0;
    for (; i + 32 <= group; i += 32) decode32(codes + i / 2, e8m0_half(scales[g]), dst + i);
    const float scale = e8m0(scales[g]);
    for (; i < group; i += 2) {
      dst[i] = E2M1[codes[i / 2] & 15] * scale;
      dst[i + 1] = E2M1[codes[i / 2] >> 4] * scale;
    }
  }
  return V4_OK;
}

ptrdiff_t V4(repack_mxfp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, uint8_t *dst) {
  for (size_t g = 0; g < groups; g++, codes += 16, dst += 17) {
    if (scales[g] == 255) return (ptrdiff_t)g;
    const b16 packed = b16_load(codes);
    const b16 even = packed & 15, odd = packed >> 4;
    dst[0] = scales[g];
    b16_store(dst + 1, b16_zip_low(even, odd) | (b16_zip_high(even, odd) << 4));
  }
  return V4_OK;
}
