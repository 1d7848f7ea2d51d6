/* FP8 and packed FP4 to bf16. Twin: scalar/bf16.ts. */
#include "vec.h"

#include "bytes.h"
#include "e4m3.h"
#include "fp4.h"
#include "safetensors-set.h"

/* bf16 bits, to nearest even; `inexact` counts the lanes that lost something or are infinite. */
V4_INLINE vi narrow(vf y, vi *inexact) {
  const vi word = vf_bits(y);
  const vm exact = vm_and(vi_eq(word & 0xffff, vi_set(0)), vi_lt(word & 0x7fffffff, vi_set(0x7f800000)));
  *inexact = *inexact + vi_select(exact, vi_set(0), vi_set(1));
  return vf_to_bf16(y);
}

V4_INLINE void decode_lanes(const uint8_t *codes, float scale, uint8_t *dst, size_t count, vi *inexact) {
  const vi code = vi_load_u8(codes), rest = code & 127;
  const vf y = vi_as_float(vf_bits(e4m3_value(rest)) | (code & 128) << 24) * vf_set(scale);
  int32_t word[LANES];
  uint16_t half[LANES];
  vi_store(word, narrow(y, inexact));
  for (int lane = 0; lane < LANES; lane++) half[lane] = (uint16_t)word[lane];
  memcpy(dst, half, 2 * count);
}

/* One run of codes under one scale; returns how many values bf16 does not hold. */
static uint32_t decode_run(const uint8_t *codes, float scale, uint8_t *dst, size_t count) {
  vi inexact = vi_set(0);
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) decode_lanes(codes + i, scale, dst + 2 * i, LANES, &inexact);
  if (i < count) {
    uint8_t in[LANES] = {0}; /* zeros are exact */
    memcpy(in, codes + i, count - i);
    decode_lanes(in, scale, dst + 2 * i, count - i, &inexact);
  }
  int32_t lane[LANES];
  vi_store(lane, inexact);
  uint32_t sum = 0;
  for (int k = 0; k < LANES; k++) sum += (uint32_t)lane[k];
  return sum;
}

static size_t first_nan(const uint8_t *codes, size_t count) {
  uint8_t peak = 0;
  for (size_t i = 0; i < count; i++) {
    const uint8_t rest = codes[i] & 127;
    peak = rest > peak ? rest : peak;
  }
  if (peak < 127) return count;
  size_t i = 0;
  while ((codes[i] & 127) != 127) i++;
  return i;
}

ptrdiff_t V4(decode_f8_bf16)(const uint8_t *codes, size_t rows, size_t cols, const struct f8_scales *scales,
                             uint8_t *dst, uint32_t *inexact) {
  const size_t scale_cols = (cols + scales->block_cols - 1) / scales->block_cols;
  uint32_t count_inexact = 0;
  for (size_t row = 0; row < rows; row++) {
    const size_t scale_row = (scales->first_row + row) / scales->block_rows * scale_cols;
    for (size_t block = 0; block < scale_cols; block++) {
      const size_t from = block * scales->block_cols;
      const size_t count = cols - from < scales->block_cols ? cols - from : scales->block_cols;
      const size_t at = row * cols + from;
      const float scale = scales->e8m0 ? e8m0(scales->e8m0[scale_row + block]) : scales->f32[scale_row + block];
      if (!isfinite(scale)) return (ptrdiff_t)at;
      const size_t nan = first_nan(codes + at, count);
      if (nan < count) return (ptrdiff_t)(at + nan);
      count_inexact += decode_run(codes + at, scale, dst + 2 * at, count);
    }
  }
  *inexact += count_inexact;
  return V4_OK;
}

/* The sixteen values under one scale, as bytes of bf16; `lost` where bf16 does not hold the value. */
struct table {
  int8_t low[16], high[16];
  uint8_t lost[16], any_lost;
};

static void fill_table(struct table *table, uint8_t e) {
  table->any_lost = 0;
  for (int code = 0; code < 16; code++) {
    const float magnitude = (float)E2M1_DOUBLED[code & 7] * e8m0_half(e);
    int32_t lost[LANES], word[LANES];
    vi inexact = vi_set(0);
    vi_store(word, narrow(vf_set(magnitude), &inexact));
    vi_store(lost, inexact);
    table->low[code] = (int8_t)word[0];
    table->high[code] = (int8_t)(word[0] >> 8 | (code & 8) << 4);
    table->lost[code] = (uint8_t)lost[0];
    table->any_lost |= (uint8_t)lost[0];
  }
}

ptrdiff_t V4(decode_fp4_bf16)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, uint8_t *dst,
                              uint32_t *inexact) {
  struct table tables[255];
  uint8_t filled[255] = {0};
  const uint8_t *reserved = memchr(scales, 255, groups);
  if (reserved) return reserved - scales;
  for (size_t g = 0; g < groups; g++, codes += group / 2, dst += 2 * group) {
    struct table *table = &tables[scales[g]];
    if (!filled[scales[g]]) {
      fill_table(table, scales[g]);
      filled[scales[g]] = 1;
    }
    size_t i = 0;
    for (; i + 32 <= group; i += 32) {
      const b16 packed = b16_load(codes + i / 2), even = packed & 15, odd = packed >> 4;
      const b16 code[2] = {b16_zip_low(even, odd), b16_zip_high(even, odd)};
      for (int part = 0; part < 2; part++) {
        const b16 low = b16_lookup(table->low, code[part]), high = b16_lookup(table->high, code[part]);
        b16_store(dst + 2 * i + 32 * part, b16_zip_low(low, high));
        b16_store(dst + 2 * i + 32 * part + 16, b16_zip_high(low, high));
      }
    }
    for (; i < group; i++) {
      const int code = codes[i / 2] >> (4 * (i & 1)) & 15;
      dst[2 * i] = (uint8_t)table->low[code];
      dst[2 * i + 1] = (uint8_t)table->high[code];
    }
    if (table->any_lost)
      for (i = 0; i < group; i++) *inexact += table->lost[codes[i / 2] >> (4 * (i & 1)) & 15];
  }
  return V4_OK;
}
