/* The functions of safetensors.h in one instruction set. Include after vec.h. */
#ifndef V4_SAFETENSORS_SET_H
#define V4_SAFETENSORS_SET_H

#include "safetensors.h"

ptrdiff_t V4(scan_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, uint8_t span[2]);
ptrdiff_t V4(fp4_to_nvfp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, int exponent,
                           uint8_t *dst_codes, uint8_t *dst_scales, uint32_t *changed);
ptrdiff_t V4(encode_nvfp4_groups)(const float *src, size_t groups, float scale2, uint8_t *dst_codes,
                                  uint8_t *dst_scales, size_t row_length, const float *importance);
ptrdiff_t V4(decode_nvfp4_groups)(const uint8_t *codes, const uint8_t *scales, size_t groups, float scale2, float *dst);
ptrdiff_t V4(fp4_to_f8)(const uint8_t *codes, const uint8_t *scales, size_t group, const struct f8_blocks *blocks,
                        uint8_t *dst, uint32_t *changed);
ptrdiff_t V4(encode_f8)(const float *src, const struct f8_blocks *blocks, uint8_t *dst);
ptrdiff_t V4(encode_int4)(const float *src, const struct int4_matrix *dst, const float *importance);
ptrdiff_t V4(decode_int4)(const struct int4_matrix *src, float *dst);
ptrdiff_t V4(encode_mlx_affine)(const float *src, const struct mlx_matrix *dst, const float *importance);
ptrdiff_t V4(decode_mlx_affine)(const struct mlx_matrix *src, float *dst);
ptrdiff_t V4(decode_f8_bf16)(const uint8_t *codes, size_t rows, size_t cols, const struct f8_scales *scales,
                             uint8_t *dst, uint32_t *inexact);
ptrdiff_t V4(decode_fp4_bf16)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, uint8_t *dst,
                              uint32_t *inexact);

#endif
