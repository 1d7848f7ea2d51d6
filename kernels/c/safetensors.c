/* The table of the kernels behind safetensors outputs in one instruction set. */
#include "vec.h"

#include "safetensors-set.h"

const struct safetensors_kernels V4(safetensors) = {
    .scan_fp4 = V4(scan_fp4),
    .fp4_to_nvfp4 = V4(fp4_to_nvfp4),
    .encode_nvfp4_groups = V4(encode_nvfp4_groups),
    .decode_nvfp4_groups = V4(decode_nvfp4_groups),
    .fp4_to_f8 = V4(fp4_to_f8),
    .encode_f8 = V4(encode_f8),
    .encode_int4 = V4(encode_int4),
    .decode_int4 = V4(decode_int4),
    .encode_mlx_affine = V4(encode_mlx_affine),
    .decode_mlx_affine = V4(decode_mlx_affine),
    .decode_f8_bf16 = V4(decode_f8_bf16),
    .decode_fp4_bf16 = V4(decode_fp4_bf16),
};
