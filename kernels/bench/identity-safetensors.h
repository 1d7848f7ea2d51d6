/* The part of identity.c for the kernels behind safetensors outputs. Included by it, after its inputs and buffers. */
#include "../c/safetensors.h"

enum { SF_ROWS = 9, SF_COLS = 288, SF_LENGTH = SF_ROWS * SF_COLS, SF_BLOCKS = 3 * 8 };

/* Packed FP4 to everything it is converted to; blocks of 4 x 40, groups of 32. */
static uint64_t run_fp4(const struct safetensors_kernels *set, int spread, uint64_t digest) {
  const size_t groups = SF_LENGTH / 32;
  uint8_t *codes = buffer(SF_LENGTH / 2), *scales = buffer(groups), *f8 = buffer(SF_LENGTH), *e8m0 = buffer(SF_BLOCKS);
  uint8_t *nvfp4 = buffer(SF_LENGTH / 2), *nvfp4_scales = buffer(SF_LENGTH / 16), *bf16 = buffer(2 * SF_LENGTH);
  for (int i = 0; i < SF_LENGTH / 2; i++) codes[i] = (uint8_t)byte();
  for (size_t g = 0; g < groups; g++) scales[g] = (uint8_t)(spread == 255 ? byte() % 255 : 100 + byte() % (uint32_t)spread);
  memset(codes + 160, 0x80, 32);
  uint8_t span[2] = {255, 0};
  uint32_t counts[3] = {0};
  set->scan_fp4(codes, scales, groups, 32, span);
  set->fp4_to_nvfp4(codes, scales, groups, 32, span[1] - 135 < -126 ? -126 : span[1] - 135, nvfp4, nvfp4_scales, counts);
  const struct f8_blocks blocks = {SF_ROWS, SF_COLS, 4, 40, e8m0, NULL};
  set->fp4_to_f8(codes, scales, 32, &blocks, f8, counts + 1);
  set->decode_fp4_bf16(codes, scales, groups, 32, bf16, counts + 2);
  digest = digest_of(digest_of(digest, span, 2), counts, sizeof counts);
  digest = digest_of(digest_of(digest, nvfp4, SF_LENGTH / 2), nvfp4_scales, SF_LENGTH / 16);
  digest = digest_of(digest_of(digest_of(digest, f8, SF_LENGTH), e8m0, SF_BLOCKS), bf16, 2 * SF_LENGTH);
  free(codes), free(scales), free(f8), free(e8m0), free(nvfp4), free(nvfp4_scales), free(bf16);
  return digest;
}

static uint64_t run_int4(const struct safetensors_kernels *set, const float *x, const float *w, size_t group, int kind,
                         uint64_t digest) {
  const size_t row = 2 * group, rows = SF_LENGTH / row, groups = 2 * rows, words = (rows + 7) / 8 * 2;
  uint8_t *packed = buffer(rows * group), *scales = buffer(2 * groups), *zero_points = buffer(4 * words);
  float *y = buffer(4 * rows * row);
  const struct int4_matrix matrix = {rows, row, group, kind & 1, packed, scales, kind & 2 ? zero_points : NULL};
  set->encode_int4(x, &matrix, w);
  set->decode_int4(&matrix, y);
  digest = digest_of(digest_of(digest_of(digest, packed, rows * group), scales, 2 * groups), y, 4 * rows * row);
  free(packed), free(scales), free(zero_points), free(y);
  return digest;
}

static uint64_t run_mlx(const struct safetensors_kernels *set, const float *x, const float *w, size_t group, size_t bits,
                        uint64_t digest) {
  const size_t row = 2 * group, rows = SF_LENGTH / row, groups = 2 * rows, code_bytes = rows * row * bits / 8;
  uint8_t *packed = buffer(code_bytes), *scales = buffer(2 * groups), *biases = buffer(2 * groups);
  float *y = buffer(4 * rows * row);
  const struct mlx_matrix matrix = {rows, row, group, bits, packed, scales, biases};
  set->encode_mlx_affine(x, &matrix, w);
  set->decode_mlx_affine(&matrix, y);
  digest = digest_of(digest_of(digest, packed, code_bytes), scales, 2 * groups);
  digest = digest_of(digest_of(digest, biases, 2 * groups), y, 4 * rows * row);
  free(packed), free(scales), free(biases), free(y);
  return digest;
}

static uint64_t run_f32(const struct safetensors_kernels *set, int kind, uint64_t digest) {
  float *x = buffer(4 * SF_LENGTH), *w = buffer(4 * SF_COLS), *y = buffer(4 * SF_LENGTH), *scales = buffer(4 * SF_BLOCKS);
  uint8_t *codes = buffer(SF_LENGTH), *nvfp4 = buffer(SF_LENGTH / 2), *group_scales = buffer(SF_LENGTH / 16);
  uint8_t *bf16 = buffer(2 * SF_LENGTH);
  for (int i = 0; i < SF_LENGTH; i++) x[i] = value(kind, i);
  for (int i = 0; i < SF_COLS; i++) w[i] = weight(kind % 3, i);
  const float *importance = kind & 1 ? w : NULL;
  const float scale2 = kind == 6 ? 0x1p-126f : kind == 13 ? 3.0f : 0.6f;
  set->encode_nvfp4_groups(x, SF_LENGTH / 16, scale2, nvfp4, group_scales, SF_COLS, importance);
  set->decode_nvfp4_groups(nvfp4, group_scales, SF_LENGTH / 16, scale2, y);
  digest = digest_of(digest_of(digest_of(digest, nvfp4, SF_LENGTH / 2), group_scales, SF_LENGTH / 16), y, 4 * SF_LENGTH);
  const struct f8_blocks blocks = {SF_ROWS, SF_COLS, 4, 40, NULL, scales};
  set->encode_f8(x, &blocks, codes);
  const struct f8_scales f8 = {NULL, scales, 4, 40, 0};
  uint32_t inexact = 0;
  set->decode_f8_bf16(codes, SF_ROWS, SF_COLS, &f8, bf16, &inexact);
  digest = digest_of(digest_of(digest, codes, SF_LENGTH), scales, 4 * SF_BLOCKS);
  digest = digest_of(digest_of(digest, bf16, 2 * SF_LENGTH), &inexact, 4);
  for (size_t group = 32; group <= 128; group *= 2) {
    digest = run_int4(set, x, importance, group, kind / 2 & 3, digest);
    for (size_t bits = 4; bits <= 8; bits *= 2) digest = run_mlx(set, x, importance, group, bits, digest);
  }
  free(x), free(w), free(y), free(scales), free(codes), free(nvfp4), free(group_scales), free(bf16);
  return digest;
}

static uint64_t run_safetensors(const struct safetensors_kernels *set) {
  static const int spreads[] = {1, 12, 18, 25, 60, 255};
  uint64_t digest = 0;
  state = 20260102;
  for (size_t k = 0; k < sizeof spreads / sizeof *spreads; k++) digest = run_fp4(set, spreads[k], digest);
  for (int kind = 0; kind < KINDS; kind++) digest = run_f32(set, kind, digest);
  return digest;
}
