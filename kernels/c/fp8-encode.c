/* E4M3 codes under power-of-two block scales, from f32 and from packed FP4. Twin: scalar/fp8-encode.ts. */
#include "vec.h"

#include "bytes.h"
#include "e4m3.h"
#include "fp4.h"
#include "safetensors-set.h"

/* Scale byte of a block of zeros: 1. */
enum { ONE = 127 };

static void put_scale(const struct f8_blocks *blocks, size_t at, int byte) {
  if (blocks->e8m0)
    blocks->e8m0[at] = (uint8_t)byte;
  else
    blocks->f32[at] = e8m0((uint8_t)byte);
}

/* ---- from f32 ---- */

/* The greatest magnitude's bits; magnitudes are ordered as their bits are, and NaN comes last. */
static int32_t peak_bits(const float *values, size_t count) {
  int32_t peak = 0;
  for (size_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, values + i, 4);
    bits &= 0x7fffffff;
    peak = bits > peak ? bits : peak;
  }
  return peak;
}

/* The E8M0 byte of 2^ceil(log2(peak / 448)): 448 is 1.75 2^8. */
static int scale_byte(int32_t peak) {
  if (peak == 0) return ONE;
  const int byte = (peak >> 23) - 8 + ((peak & 0x7fffff) > 0x600000);
  return byte > 0 ? byte : 0;
}

V4_INLINE void encode_lanes(const float *src, vf inverse, uint8_t *dst) {
  const vf x = vf_load(src);
  const vi code = e4m3_code(vf_abs(x) * inverse) | (vi_shr(vf_bits(x), 24) & 128);
  vi_store_i8(dst, (code << 24) >> 24);
}

static void encode_run(const float *src, float inverse, uint8_t *dst, size_t count) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) encode_lanes(src + i, vf_set(inverse), dst + i);
  if (i < count) {
    float in[LANES] = {0};
    uint8_t out[LANES];
    memcpy(in, src + i, 4 * (count - i));
    encode_lanes(in, vf_set(inverse), out);
    memcpy(dst + i, out, count - i);
  }
}

ptrdiff_t V4(encode_f8)(const float *src, const struct f8_blocks *blocks, uint8_t *dst) {
  const size_t cols = blocks->cols, rows = blocks->rows;
  size_t at = 0;
  for (size_t row = 0; row < rows; row += blocks->block_rows) {
    const size_t end = rows - row < blocks->block_rows ? rows : row + blocks->block_rows;
    if (peak_bits(src + row * cols, (end - row) * cols) >= 0x7f800000)
      for (size_t i = row * cols;; i++)
        if (!isfinite(src[i])) return (ptrdiff_t)i;
    for (size_t col = 0; col < cols; col += blocks->block_cols, at++) {
      const size_t count = cols - col < blocks->block_cols ? cols - col : blocks->block_cols;
      int32_t peak = 0;
      for (size_t r = row; r < end; r++) {
        const int32_t bits = peak_bits(src + r * cols + col, count);
        peak = bits > peak ? bits : peak;
      }
      const int byte = scale_byte(peak);
      const float inverse = e8m0((uint8_t)(254 - byte)); /* 2^(127 - byte) */
      for (size_t r = row; r < end; r++) encode_run(src + r * cols + col, inverse, dst + r * cols + col, count);
      put_scale(blocks, at, byte);
    }
  }
  return V4_OK;
}

/* ---- from packed FP4 ---- */

/* E4M3 codes of the sixteen E2M1 values times 2^shift, for shift FEWEST .. 6; at FEWEST all of them round to 0. */
enum { FEWEST = -13, SHIFTS = 6 - FEWEST + 1, EXACT = -8 };

static void fill_tables(int8_t tables[SHIFTS][16]) {
  for (int s = 0; s < SHIFTS; s++)
    for (int code = 0; code < 16; code++) {
      int32_t lane[LANES];
      const float value = ldexpf(0.5f * (float)E2M1_DOUBLED[code & 7], s + FEWEST);
      vi_store(lane, e4m3_code(vf_set(value)));
      tables[s][code] = (int8_t)(lane[0] | (code & 8) << 4);
    }
}

V4_INLINE int nibble(const uint8_t *row, size_t i) { return row[i >> 1] >> (4 * (i & 1)) & 15; }

static int any_nonzero(const uint8_t *row, size_t from, size_t to) {
  for (; from < to && (from & 1); from++)
    if (nibble(row, from) & 7) return 1;
  uint8_t any = 0;
  for (; from + 2 <= to; from += 2) any |= row[from >> 1];
  return (any & 0x77) != 0 || (from < to && (nibble(row, from) & 7));
}

/* Values that are no multiple of 2^-9 after the shift. */
static uint32_t count_changed(const uint8_t *row, size_t from, size_t to, int shift) {
  const int drop = EXACT - shift; /* bits of the doubled value that fall off */
  const int mask = (1 << (drop < 8 ? drop : 8)) - 1;
  uint32_t changed = 0;
  for (; from < to; from++) changed += (E2M1_DOUBLED[nibble(row, from) & 7] & mask) != 0;
  return changed;
}

static void convert_run(const uint8_t *row, size_t from, size_t to, const int8_t table[16], uint8_t *dst) {
  if (!(from & 1))
    for (; from + 32 <= to; from += 32) {
      const b16 packed = b16_load(row + from / 2);
      const b16 even = b16_lookup(table, packed & 15), odd = b16_lookup(table, packed >> 4);
      b16_store(dst + from, b16_zip_low(even, odd));
      b16_store(dst + from + 16, b16_zip_high(even, odd));
    }
  for (; from < to; from++) dst[from] = (uint8_t)table[nibble(row, from)];
}

/* First column after `col` at which the scale changes, within a block that ends at `end`. */
V4_INLINE size_t run_end(size_t col, size_t group, size_t end) {
  const size_t next = (col / group + 1) * group;
  return next < end ? next : end;
}

ptrdiff_t V4(fp4_to_f8)(const uint8_t *codes, const uint8_t *scales, size_t group, const struct f8_blocks *blocks,
                        uint8_t *dst, uint32_t *changed) {
  const size_t rows = blocks->rows, cols = blocks->cols, row_groups = cols / group;
  const uint8_t *reserved = memchr(scales, 255, rows * row_groups);
  if (reserved) return reserved - scales;
  int8_t tables[SHIFTS][16];
  fill_tables(tables);
  size_t at = 0;
  for (size_t row = 0; row < rows; row += blocks->block_rows) {
    const size_t end = rows - row < blocks->block_rows ? rows : row + blocks->block_rows;
    for (size_t col = 0; col < cols; col += blocks->block_cols, at++) {
      const size_t col_end = cols - col < blocks->block_cols ? cols : col + blocks->block_cols;
      int greatest = -1;
      for (size_t r = row; r < end; r++)
        for (size_t from = col, to; from < col_end; from = to) {
          to = run_end(from, group, col_end);
          const int e = scales[r * row_groups + from / group];
          if (e > greatest && any_nonzero(codes + r * cols / 2, from, to)) greatest = e;
        }
      const int byte = greatest < 0 ? ONE : greatest > 6 ? greatest - 6 : 0;
      for (size_t r = row; r < end; r++)
        for (size_t from = col, to; from < col_end; from = to) {
          to = run_end(from, group, col_end);
          /* Above 6 there are only zeros. */
          int shift = scales[r * row_groups + from / group] - byte;
          shift = shift > 6 ? 6 : shift < FEWEST ? FEWEST : shift;
          convert_run(codes + r * cols / 2, from, to, tables[shift - FEWEST], dst + r * cols);
          if (shift < EXACT) *changed += count_changed(codes + r * cols / 2, from, to, shift);
        }
      put_scale(blocks, at, byte);
    }
  }
  return V4_OK;
}
