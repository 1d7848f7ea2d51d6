/* FP8 E4M3FN codes with block scales to f32. Twin: scalar/fp8.ts. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "fp4.h"
#include "kernels.h"

V4_INLINE vf decode_lanes(vi code, vf scale) {
  const vi rest = code & 127;
  const vf magnitude =
      vf_select(vi_lt(rest, vi_set(8)), vf_from_int(rest) * 0x1p-9f, vi_as_float((rest << 20) + (120 << 23)));
  return vi_as_float(vf_bits(magnitude) | (code & 128) << 24) * scale;
}

/* One run of codes under one scale. */
static void decode_run(const uint8_t *codes, float scale, float *dst, size_t count) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) vf_store(dst + i, decode_lanes(vi_load_u8(codes + i), vf_set(scale)));
  if (i < count) {
    uint8_t in[LANES] = {0};
    float out[LANES];
    memcpy(in, codes + i, count - i);
    vf_store(out, decode_lanes(vi_load_u8(in), vf_set(scale)));
    memcpy(dst + i, out, 4 * (count - i));
  }
}

/* Whether some code is 7F or FF. */
static int has_nan(const uint8_t *codes, size_t count) {
  uint8_t peak = 0;
  for (size_t i = 0; i < count; i++) {
    const uint8_t rest = codes[i] & 127;
    peak = rest > peak ? rest : peak;
  }
  return peak == 127;
}

ptrdiff_t V4(decode_f8)(const uint8_t *codes, size_t rows, size_t cols, const struct f8_scales *scales, float *dst) {
  const size_t scale_cols = (cols + scales->block_cols - 1) / scales->block_cols;
  for (size_t row = 0; row < rows; row++) {
    const size_t scale_row = (scales->first_row + row) / scales->block_rows * scale_cols;
    for (size_t block = 0; block < scale_cols; block++) {
      const size_t from = block * scales->block_cols;
      const size_t count = cols - from < scales->block_cols ? cols - from : scales->block_cols;
      const size_t at = row * cols + from;
      const float scale = scales->e8m0 ? e8m0(scales->e8m0[scale_row + block]) : scales->f32[scale_row + block];
      if (!isfinite(scale)) return (ptrdiff_t)at;
      if (has_nan(codes + at, count)) {
        size_t i = at;
        while ((codes[i] & 127) != 127) i++;
        return (ptrdiff_t)i;
      }
      decode_run(codes + at, scale, dst + at, count);
    }
  }
  return V4_OK;
}
