/* The kernels behind safetensors outputs. Signatures are described in kernels/safetensors.ts. */
#ifndef V4_SAFETENSORS_H
#define V4_SAFETENSORS_H

#include "set.h"

/* Where an FP8 encoder writes: one scale per block, into one of e8m0 and f32. */
struct f8_blocks {
  size_t rows, cols, block_rows, block_cols;
  uint8_t *e8m0;
  float *f32;
};

struct int4_matrix {
  size_t rows, row_length, group;
  int f16; /* scales are f16, else bf16 */
  uint8_t *packed, *scales, *zero_points; /* zero_points may be NULL */
};

struct mlx_matrix {
  size_t rows, row_length, group, bits;
  uint8_t *packed, *scales, *biases;
};

/* Lengths are checked by the addon; importance is normalised, or NULL. Each returns V4_OK or a position. */
struct safetensors_kernels {
  ptrdiff_t (*scan_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, uint8_t span[2]);
  ptrdiff_t (*fp4_to_nvfp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, int exponent,
                            uint8_t *dst_codes, uint8_t *dst_scales, uint32_t *changed);
  ptrdiff_t (*encode_nvfp4_groups)(const float *src, size_t groups, float scale2, uint8_t *dst_codes,
                                   uint8_t *dst_scales, size_t row_length, const float *importance);
  ptrdiff_t (*decode_nvfp4_groups)(const uint8_t *codes, const uint8_t *scales, size_t groups, float scale2, float *dst);
  ptrdiff_t (*fp4_to_f8)(const uint8_t *codes, const uint8_t *scales, size_t group, const struct f8_blocks *blocks,
                         uint8_t *dst, uint32_t *changed);
  ptrdiff_t (*encode_f8)(const float *src, const struct f8_blocks *blocks, uint8_t *dst);
  ptrdiff_t (*encode_int4)(const float *src, const struct int4_matrix *dst, const float *importance);
  ptrdiff_t (*decode_int4)(const struct int4_matrix *src, float *dst);
  ptrdiff_t (*encode_mlx_affine)(const float *src, const struct mlx_matrix *dst, const float *importance);
  ptrdiff_t (*decode_mlx_affine)(const struct mlx_matrix *src, float *dst);
  ptrdiff_t (*decode_f8_bf16)(const uint8_t *codes, size_t rows, size_t cols, const struct f8_scales *scales,
                              uint8_t *dst, uint32_t *inexact);
  ptrdiff_t (*decode_fp4_bf16)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, uint8_t *dst,
                               uint32_t *inexact);
};

#endif
