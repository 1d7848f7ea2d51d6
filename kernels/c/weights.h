/* A weight matrix as it is stored, read a piece of a row at a time. */
#ifndef V4_WEIGHTS_H
#define V4_WEIGHTS_H

#include "set.h"
#include "vec.h"

#include "formats.h"
#include "kernels.h"

/* Columns [from, from + count) of one row of FP8 codes: one call per scale, whatever the block width. */
V4_INLINE ptrdiff_t f8_piece(const struct weights *w, size_t row, size_t from, size_t count, float *dst) {
  const struct f8_scales *scales = &w->f8;
  const size_t scale_row = (scales->first_row + row) / scales->block_rows * ((w->cols - 1) / scales->block_cols + 1);
  for (size_t at = from; at < from + count;) {
    const size_t block = at / scales->block_cols, block_end = (block + 1) * scales->block_cols;
    const size_t end = block_end < from + count ? block_end : from + count;
    const struct f8_scales one = {.e8m0 = scales->e8m0 ? scales->e8m0 + scale_row + block : NULL,
                                  .f32 = scales->f32 ? scales->f32 + scale_row + block : NULL,
                                  .block_rows = 1,
                                  .block_cols = end - at};
    if (V4(decode_f8)(w->codes + row * w->cols + at, 1, end - at, &one, dst + (at - from)) != V4_OK) return 0;
    at = end;
  }
  return V4_OK;
}

/* The same for packed FP4. A piece begins and ends at an even column. */
V4_INLINE ptrdiff_t fp4_piece(const struct weights *w, size_t row, size_t from, size_t count, float *dst) {
  const size_t group = w->fp4_group;
  const uint8_t *codes = w->codes + row * (w->cols / 2), *scales = w->fp4_scales + row * (w->cols / group);
  if (from % group == 0 && count % group == 0)
    return V4(decode_fp4)(codes + from / 2, scales + from / group, count / group, group, dst);
  for (size_t at = from; at < from + count;) {
    const size_t group_end = (at / group + 1) * group;
    const size_t end = group_end < from + count ? group_end : from + count;
    if (V4(decode_fp4)(codes + at / 2, scales + at / group, 1, end - at, dst + (at - from)) != V4_OK) return 0;
    at = end;
  }
  return V4_OK;
}

/*
 * Columns [from, from + count) of a row to f32; `from` is a multiple of 256, so it never cuts a block. Returns
 * V4_OK, or another number if the piece holds a code or a scale without a value.
 */
static ptrdiff_t weights_piece(const struct weights *w, size_t row, size_t from, size_t count, float *dst) {
  if (w->fp4_group) return fp4_piece(w, row, from, count, dst);
  if (!w->format) return f8_piece(w, row, from, count, dst);
  const size_t length = w->format->block_length, bytes = w->format->block_bytes;
  return w->format->decode(w->codes + (row * w->cols + from) / length * bytes, dst, count / length);
}

/* Bytes per 256 columns of the codes, for prefetching. */
V4_INLINE size_t weights_stride(const struct weights *w) {
  if (w->fp4_group) return 128;
  return w->format ? 256 / w->format->block_length * w->format->block_bytes : 256;
}

#endif
