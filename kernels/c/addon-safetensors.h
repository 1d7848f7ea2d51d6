/* The bindings of the kernels behind safetensors outputs; included by addon.c after
 * addon-forward.h. Each is called as name(set, ...). */
#include "safetensors.h"

static const struct safetensors_kernels *safetensors_argument(struct call *call) {
  const struct kernel_set *set = set_argument(call);
  return set ? set->safetensors : NULL;
}

/* A counter: a Uint32Array of one element. */
static uint32_t *count_argument(struct call *call, size_t at) {
  struct view view = {NULL, 0};
  napi_typedarray_type type;
  if (call->failed) return NULL;
  if (!view_type(call, at, &type, &view) || type != napi_uint32_array)
    fail(call, 1, "the count must be a Uint32Array");
  else if (view.length != 1)
    fail(call, 0, "the count has %zu elements", view.length);
  return view.data;
}

/* An array, or no data if the argument is null. An empty array may have no address, so it is lent one. */
static struct view optional(struct call *call, size_t at, const char *what, napi_typedarray_type wanted) {
  static float none;
  if (call->failed || is_nothing(call, at)) return (struct view){NULL, 0};
  struct view view = typed(call, at, what, wanted);
  if (!view.data) view.data = &none;
  return view;
}

/* Columns per FP4 scale, a multiple of 16. */
static size_t nvfp4_group(struct call *call, const struct view *codes, const struct view *scales) {
  const size_t group = scales->length ? 2 * codes->length / scales->length : 16;
  if (!call->failed && (group < 16 || group % 16 || group * scales->length != 2 * codes->length))
    fail(call, 0, "%zu code bytes, %zu scales", codes->length, scales->length);
  return group;
}

/* scanFp4(set, codes, scales, span) */
static napi_value scan_fp4(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "scanFp4", 4);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales"), span = bytes(&call, 3, "span");
  const size_t group = nvfp4_group(&call, &codes, &scales);
  if (!call.failed && span.length != 2) fail(&call, 0, "a span of %zu bytes", span.length);
  return result(&call, call.failed ? 0 : set->scan_fp4(codes.data, scales.data, scales.length, group, span.data));
}

/* fp4ToNvfp4(set, codes, scales, exponent, dstCodes, dstScales, changed) */
static napi_value fp4_to_nvfp4(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "fp4ToNvfp4", 7);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales");
  const struct view dst_codes = bytes(&call, 4, "dstCodes"), dst_scales = bytes(&call, 5, "dstScales");
  uint32_t *changed = count_argument(&call, 6);
  const size_t group = nvfp4_group(&call, &codes, &scales);
  double exponent = 1000;
  if (!call.failed && napi_get_value_double(env, call.argv[3], &exponent) != napi_ok)
    fail(&call, 1, "exponent must be a number");
  if (!call.failed && !(exponent >= -149 && exponent <= 127 && exponent == (double)(int)exponent))
    fail(&call, 0, "exponent %g; expected -149 .. 127", exponent);
  if (!call.failed && (dst_codes.length != codes.length || dst_scales.length != codes.length / 8))
    fail(&call, 0, "%zu code bytes to %zu and %zu scales", codes.length, dst_codes.length, dst_scales.length);
  return result(&call, call.failed ? 0
                                   : set->fp4_to_nvfp4(codes.data, scales.data, scales.length, group, (int)exponent,
                                                       dst_codes.data, dst_scales.data, changed));
}

static float scale2_argument(struct call *call, size_t at) {
  double scale2 = 0;
  if (!call->failed && napi_get_value_double(call->env, call->argv[at], &scale2) != napi_ok)
    fail(call, 1, "scale2 must be a number");
  if (!call->failed && !(scale2 > 0 && scale2 <= 0x1.fffffep127 && (double)(float)scale2 == scale2))
    fail(call, 0, "scale2 is %g; expected a finite f32 > 0", scale2);
  return (float)scale2;
}

/* encodeNvfp4Groups(set, src, scale2, dstCodes, dstScales, rowLength, importance | null) */
static napi_value encode_nvfp4_groups(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "encodeNvfp4Groups", 7);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view src = floats(&call, 1, "src");
  const float scale2 = scale2_argument(&call, 2);
  const struct view codes = bytes(&call, 3, "dstCodes"), scales = bytes(&call, 4, "dstScales");
  const size_t row_length = whole(&call, 5, "rowLength", 1);
  const struct view importance = optional(&call, 6, "importance", napi_float32_array);
  if (call.failed) return NULL;
  if (row_length % 16 || src.length % row_length || 2 * codes.length != src.length || 16 * scales.length != src.length)
    fail(&call, 0, "%zu values, rows of %zu, %zu code bytes, %zu scales", src.length, row_length, codes.length,
         scales.length);
  else if (importance.data && importance.length != row_length)
    fail(&call, 0, "%zu importance weights for rows of %zu", importance.length, row_length);
  return result(&call, call.failed ? 0
                                   : set->encode_nvfp4_groups(src.data, scales.length, scale2, codes.data, scales.data,
                                                              row_length, importance.data));
}

/* decodeNvfp4Groups(set, codes, scales, scale2, dst) */
static napi_value decode_nvfp4_groups(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decodeNvfp4Groups", 5);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales");
  const float scale2 = scale2_argument(&call, 3);
  const struct view dst = floats(&call, 4, "dst");
  if (call.failed) return NULL;
  if (codes.length != 8 * scales.length || dst.length != 16 * scales.length)
    fail(&call, 0, "%zu code bytes, %zu scales, %zu values", codes.length, scales.length, dst.length);
  return result(&call, call.failed ? 0
                                   : set->decode_nvfp4_groups(codes.data, scales.data, scales.length, scale2, dst.data));
}

/* cols, blockRows, blockCols, scales at argument `at`; dst and the scales must fit `length` values. */
static struct f8_blocks blocks_argument(struct call *call, size_t at, size_t length, size_t dst_length) {
  struct f8_blocks blocks = {.cols = whole(call, at, "cols", 1),
                             .block_rows = whole(call, at + 1, "blockRows", 1),
                             .block_cols = whole(call, at + 2, "blockCols", 1)};
  struct view scales = {NULL, 0};
  napi_typedarray_type type = napi_uint8_array;
  if (call->failed) return blocks;
  if (!view_type(call, at + 3, &type, &scales) || (type != napi_uint8_array && type != napi_float32_array))
    fail(call, 1, "scales must be a Uint8Array (E8M0) or a Float32Array");
  else if (type == napi_uint8_array)
    blocks.e8m0 = scales.data;
  else
    blocks.f32 = scales.data;
  blocks.rows = length / blocks.cols;
  const size_t scale_cols = (blocks.cols - 1) / blocks.block_cols + 1;
  const size_t scale_rows = blocks.rows ? (blocks.rows - 1) / blocks.block_rows + 1 : 0;
  if (!call->failed && (length % blocks.cols || dst_length != length || scales.length / scale_cols != scale_rows ||
                        scales.length % scale_cols))
    fail(call, 0, "%zu values in rows of %zu, %zu codes and %zu scales out", length, blocks.cols, dst_length,
         scales.length);
  return blocks;
}

/* fp4ToF8(set, codes, scales, cols, blockRows, blockCols, dstScales, dst, changed) */
static napi_value fp4_to_f8(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "fp4ToF8", 9);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales"), dst = bytes(&call, 7, "dst");
  uint32_t *changed = count_argument(&call, 8);
  const struct f8_blocks blocks = blocks_argument(&call, 3, 2 * codes.length, dst.length);
  if (call.failed) return NULL;
  const size_t row_groups = blocks.rows ? scales.length / blocks.rows : scales.length ? 0 : 1;
  const size_t group = row_groups ? blocks.cols / row_groups : 0;
  if (group == 0 || group % 2 || group * row_groups != blocks.cols || (blocks.rows && row_groups * blocks.rows != scales.length))
    fail(&call, 0, "%zu scales for %zu rows of %zu", scales.length, blocks.rows, blocks.cols);
  return result(&call, call.failed ? 0 : set->fp4_to_f8(codes.data, scales.data, group, &blocks, dst.data, changed));
}

/* encodeF8(set, src, cols, blockRows, blockCols, dstScales, dst) */
static napi_value encode_f8(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "encodeF8", 7);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view src = floats(&call, 1, "src"), dst = bytes(&call, 6, "dst");
  const struct f8_blocks blocks = blocks_argument(&call, 2, src.length, dst.length);
  return result(&call, call.failed ? 0 : set->encode_f8(src.data, &blocks, dst.data));
}

/* rowLength, group, f16, packed, scales, zeroPoints | null at argument `at`, for `length` values. */
static struct int4_matrix int4_argument(struct call *call, size_t at, size_t length) {
  struct int4_matrix matrix = {.row_length = whole(call, at, "rowLength", 1), .group = whole(call, at + 1, "group", 1)};
  bool f16 = false;
  if (!call->failed && napi_get_value_bool(call->env, call->argv[at + 2], &f16) != napi_ok)
    fail(call, 1, "f16 must be a boolean");
  const struct view packed = bytes(call, at + 3, "packed"), scales = bytes(call, at + 4, "scales");
  const struct view zero_points = optional(call, at + 5, "zeroPoints", napi_uint8_array);
  if (call->failed) return matrix;
  matrix.f16 = f16;
  matrix.packed = packed.data;
  matrix.scales = scales.data;
  matrix.zero_points = zero_points.data;
  matrix.rows = length / matrix.row_length;
  const size_t row_groups = matrix.row_length / matrix.group;
  if ((matrix.group != 32 && matrix.group != 64 && matrix.group != 128) || matrix.row_length % matrix.group ||
      length % matrix.row_length || 2 * packed.length != length || scales.length != 2 * matrix.rows * row_groups ||
      (zero_points.data && zero_points.length != 4 * ((matrix.rows + 7) / 8) * row_groups))
    fail(call, 0, "%zu values, rows of %zu, groups of %zu, %zu code bytes, %zu scale bytes, %zu zero point bytes", length,
         matrix.row_length, matrix.group, packed.length, scales.length, zero_points.length);
  return matrix;
}

/* encodeInt4(set, src, rowLength, group, f16, packed, scales, zeroPoints | null, importance | null) */
static napi_value encode_int4(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "encodeInt4", 9);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view src = floats(&call, 1, "src");
  const struct view importance = optional(&call, 8, "importance", napi_float32_array);
  const struct int4_matrix dst = int4_argument(&call, 2, src.length);
  if (!call.failed && importance.data && importance.length != dst.row_length)
    fail(&call, 0, "%zu importance weights for rows of %zu", importance.length, dst.row_length);
  return result(&call, call.failed ? 0 : set->encode_int4(src.data, &dst, importance.data));
}

/* decodeInt4(set, rowLength, group, f16, packed, scales, zeroPoints | null, dst) */
static napi_value decode_int4(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decodeInt4", 8);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view dst = floats(&call, 7, "dst");
  const struct int4_matrix src = int4_argument(&call, 1, dst.length);
  return result(&call, call.failed ? 0 : set->decode_int4(&src, dst.data));
}

/* rowLength, group, bits, packed, scales, biases at argument `at`, for `length` values. */
static struct mlx_matrix mlx_argument(struct call *call, size_t at, size_t length) {
  struct mlx_matrix matrix = {.row_length = whole(call, at, "rowLength", 1),
                              .group = whole(call, at + 1, "group", 1),
                              .bits = whole(call, at + 2, "bits", 1)};
  const struct view packed = bytes(call, at + 3, "packed"), scales = bytes(call, at + 4, "scales");
  const struct view biases = bytes(call, at + 5, "biases");
  if (call->failed) return matrix;
  matrix.packed = packed.data;
  matrix.scales = scales.data;
  matrix.biases = biases.data;
  matrix.rows = length / matrix.row_length;
  const size_t groups = matrix.rows * (matrix.row_length / matrix.group);
  if ((matrix.group != 32 && matrix.group != 64 && matrix.group != 128) || (matrix.bits != 4 && matrix.bits != 8) ||
      matrix.row_length % matrix.group || length % matrix.row_length || packed.length != length / (8 / matrix.bits) ||
      scales.length != 2 * groups || biases.length != 2 * groups)
    fail(call, 0, "%zu values, rows of %zu, groups of %zu, %zu bits, %zu code bytes, %zu scale bytes, %zu bias bytes",
         length, matrix.row_length, matrix.group, matrix.bits, packed.length, scales.length, biases.length);
  return matrix;
}

/* encodeMlxAffine(set, src, rowLength, group, bits, packed, scales, biases, importance | null) */
static napi_value encode_mlx_affine(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "encodeMlxAffine", 9);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view src = floats(&call, 1, "src");
  const struct view importance = optional(&call, 8, "importance", napi_float32_array);
  const struct mlx_matrix dst = mlx_argument(&call, 2, src.length);
  if (!call.failed && importance.data && importance.length != dst.row_length)
    fail(&call, 0, "%zu importance weights for rows of %zu", importance.length, dst.row_length);
  return result(&call, call.failed ? 0 : set->encode_mlx_affine(src.data, &dst, importance.data));
}

/* decodeMlxAffine(set, rowLength, group, bits, packed, scales, biases, dst) */
static napi_value decode_mlx_affine(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decodeMlxAffine", 8);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view dst = floats(&call, 7, "dst");
  const struct mlx_matrix src = mlx_argument(&call, 1, dst.length);
  return result(&call, call.failed ? 0 : set->decode_mlx_affine(&src, dst.data));
}

/* decodeF8Bf16(set, codes, cols, scales, blockRows, blockCols, firstRow, dst, inexact) */
static napi_value decode_f8_bf16(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decodeF8Bf16", 9);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), dst = bytes(&call, 7, "dst");
  const size_t cols = whole(&call, 2, "cols", 1);
  struct f8_scales scales = {.block_rows = whole(&call, 4, "blockRows", 1),
                             .block_cols = whole(&call, 5, "blockCols", 1),
                             .first_row = whole(&call, 6, "firstRow", 0)};
  uint32_t *inexact = count_argument(&call, 8);
  if (call.failed) return NULL;
  struct view values = {NULL, 0};
  napi_typedarray_type type = napi_uint8_array;
  if (!view_type(&call, 3, &type, &values) || (type != napi_uint8_array && type != napi_float32_array))
    fail(&call, 1, "scales must be a Uint8Array (E8M0) or a Float32Array");
  else if (type == napi_uint8_array)
    scales.e8m0 = values.data;
  else
    scales.f32 = values.data;
  if (call.failed) return NULL;
  const size_t rows = codes.length / cols;
  const size_t scale_cols = (cols - 1) / scales.block_cols + 1;
  const size_t scale_rows = rows ? (scales.first_row + rows - 1) / scales.block_rows + 1 : 0;
  if (codes.length % cols || dst.length != 2 * codes.length || scale_rows > values.length / scale_cols)
    fail(&call, 0, "%zu codes in rows of %zu, %zu scales, %zu bytes out", codes.length, cols, values.length, dst.length);
  return result(&call, call.failed ? 0 : set->decode_f8_bf16(codes.data, rows, cols, &scales, dst.data, inexact));
}

/* decodeFp4Bf16(set, codes, scales, dst, inexact) */
static napi_value decode_fp4_bf16(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decodeFp4Bf16", 5);
  const struct safetensors_kernels *set = safetensors_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales"), dst = bytes(&call, 3, "dst");
  uint32_t *inexact = count_argument(&call, 4);
  if (call.failed) return NULL;
  const size_t group = scales.length ? 2 * codes.length / scales.length : 0;
  if (dst.length != 4 * codes.length || group * scales.length != 2 * codes.length || group % 2)
    fail(&call, 0, "%zu code bytes, %zu scales, %zu bytes out", codes.length, scales.length, dst.length);
  return result(&call, call.failed ? 0
                                   : set->decode_fp4_bf16(codes.data, scales.data, scales.length, group, dst.data, inexact));
}

#define SAFETENSORS_FUNCTIONS \
  {"scanFp4", scan_fp4}, {"fp4ToNvfp4", fp4_to_nvfp4}, {"encodeNvfp4Groups", encode_nvfp4_groups}, \
      {"decodeNvfp4Groups", decode_nvfp4_groups}, {"fp4ToF8", fp4_to_f8}, {"encodeF8", encode_f8}, \
      {"encodeInt4", encode_int4}, {"decodeInt4", decode_int4}, {"decodeF8Bf16", decode_f8_bf16}, \
      {"encodeMlxAffine", encode_mlx_affine}, {"decodeMlxAffine", decode_mlx_affine}, \
      {"decodeFp4Bf16", decode_fp4_bf16}
