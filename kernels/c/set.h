/*
 * What one compilation of the kernels (one instruction set) hands to the addon. Nothing here depends on the
 * set, so the addon sees the same types for all of them.
 */
#ifndef V4_SET_H
#define V4_SET_H

#include <stddef.h>
#include <stdint.h>

enum { V4_OK = -1, V4_NO_MEMORY = -2 };

/* One call of an encoder. `importance` is one row, already normalised (see rows.c), or NULL. */
struct encode_job {
  const float *src;
  uint8_t *dst;
  const float *importance;
  size_t row_blocks; /* blocks per row: block k uses the importance at (k mod row_blocks) * block length */
};

/* One row of the traits table. `encode` is NULL for formats that are only read. */
struct format {
  const char *name;
  size_t block_length;
  size_t block_bytes;
  float largest; /* the largest magnitude the format's scale (or element) can hold; above it encoding refuses */
  ptrdiff_t (*decode)(const uint8_t *src, float *dst, size_t blocks);
  void (*encode)(const struct encode_job *job, size_t begin, size_t end);
};

struct f8_scales {
  const uint8_t *e8m0; /* one of the two is NULL */
  const float *f32;
  size_t block_rows, block_cols, first_row;
};

/* A matrix [n, cols] as it is stored: blocks or elements of `format`; or else packed FP4; or else FP8 codes. */
struct weights {
  const struct format *format;
  const uint8_t *codes;
  size_t cols;
  const uint8_t *fp4_scales;
  size_t fp4_group; /* 0: not FP4 */
  struct f8_scales f8;
};

/* out[rows, out_rows] = x[rows, cols] . w^T; strides in floats between rows of x and of out. */
struct gemm_job {
  const float *x;
  size_t rows, x_stride;
  struct weights w;
  float *out;
  size_t out_rows, out_stride;
};

struct comparison;

struct kernel_set {
  const char *name;
  const struct format *formats;
  size_t format_count;
  /* Lengths are whole blocks and rows: the addon has checked. Each returns V4_OK or the offending position. */
  ptrdiff_t (*encode)(const struct format *format, const float *src, size_t length, uint8_t *dst,
                      size_t row_length, const float *importance);
  ptrdiff_t (*decode_f8)(const uint8_t *codes, size_t rows, size_t cols, const struct f8_scales *scales, float *dst);
  ptrdiff_t (*decode_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, float *dst);
  ptrdiff_t (*repack_mxfp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, uint8_t *dst);
  ptrdiff_t (*match_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, const uint8_t *blocks,
                         uint8_t span[2]);
  /* V4_OK, V4_NO_MEMORY, or the first row of w that holds a code or a scale without a value. */
  ptrdiff_t (*gemm)(const struct gemm_job *job);
  void (*compare)(const float *x, const float *y, size_t count, struct comparison *out); /* see compare.h */
  void (*column_energy)(const float *src, size_t rows, size_t cols, double *sums);
  const struct forward *forward; /* see forward.h */
  const struct safetensors_kernels *safetensors; /* see safetensors.h */
};

#endif
