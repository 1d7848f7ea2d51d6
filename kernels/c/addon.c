/*
 * The Node-API binding. Its only mutable state is the pool of addon-threads.h, so any number of worker threads may load it; it takes
 * views on ArrayBuffers and SharedArrayBuffers alike and checks every length before a kernel sees a pointer.
 * A wrong length throws RangeError, a wrong type TypeError; what the data itself does wrong is a return value.
 *
 * Kernels are called as name(set, ...): `set` is an index into the array that sets() returns.
 */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <node_api.h>
#include <stdarg.h>
#include <stdio.h>

#include "compare.h"
#include "set.h"

#define DECLARE_SET(set) extern const struct kernel_set v4_kernels_##set;
V4_SETS(DECLARE_SET) /* V4_SETS comes from the build: SET(plain) SET(avx2) ... */

static const struct kernel_set *const SETS[] = {
#define ADDRESS(set) &v4_kernels_##set,
    V4_SETS(ADDRESS)};
enum { SET_COUNT = sizeof SETS / sizeof *SETS, MAX_ARGUMENTS = 16 };

static int machine_runs(const char *set) {
#if defined(__x86_64__)
  if (set[0] == 'a') {
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (set[3] == '2') return avx2;
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }
#endif
  (void)set; /* plain runs anywhere, and AArch64 always has NEON */
  return 1;
}

/* ---- arguments ---- */

struct call {
  napi_env env;
  const char *name;
  size_t argc;
  napi_value argv[MAX_ARGUMENTS];
  int failed;
};

static void fail(struct call *call, int type_error, const char *format, ...) {
  char text[240];
  if (call->failed) return;
  call->failed = 1;
  int at = snprintf(text, sizeof text, "%s: ", call->name);
  va_list list;
  va_start(list, format);
  vsnprintf(text + at, sizeof text - (size_t)at, format, list);
  va_end(list);
  if (type_error)
    napi_throw_type_error(call->env, NULL, text);
  else
    napi_throw_range_error(call->env, NULL, text);
}

static void begin(struct call *call, napi_env env, napi_callback_info info, const char *name, size_t arguments) {
  *call = (struct call){.env = env, .name = name, .argc = MAX_ARGUMENTS};
  napi_get_cb_info(env, info, &call->argc, call->argv, NULL, NULL);
  if (call->argc != arguments) fail(call, 1, "expected %zu arguments, got %zu", arguments, call->argc);
}

/* A whole number >= least. */
static size_t whole(struct call *call, size_t at, const char *what, size_t least) {
  double value = -1;
  if (call->failed) return least;
  if (napi_get_value_double(call->env, call->argv[at], &value) != napi_ok) {
    fail(call, 1, "%s must be a number", what);
    return least;
  }
  if (!(value >= (double)least && value <= 9007199254740991.0) || value != (double)(size_t)value) {
    fail(call, 0, "%s must be a whole number of at least %zu, got %g", what, least, value);
    return least;
  }
  return (size_t)value;
}

struct view {
  void *data;
  size_t length;
};

static int view_type(struct call *call, size_t at, napi_typedarray_type *type, struct view *view) {
  bool is_array = false;
  if (napi_is_typedarray(call->env, call->argv[at], &is_array) != napi_ok || !is_array) return 0;
  return napi_get_typedarray_info(call->env, call->argv[at], type, &view->length, &view->data, NULL, NULL) == napi_ok;
}

static struct view typed(struct call *call, size_t at, const char *what, napi_typedarray_type wanted) {
  struct view view = {NULL, 0};
  napi_typedarray_type type;
  if (call->failed) return view;
  if (!view_type(call, at, &type, &view) || type != wanted) {
    fail(call, 1, "%s must be a %s", what, wanted == napi_uint8_array ? "Uint8Array" : wanted == napi_int32_array ? "Int32Array" : wanted == napi_float64_array ? "Float64Array" : "Float32Array");
    return (struct view){NULL, 0};
  }
  return view;
}

static struct view bytes(struct call *call, size_t at, const char *what) {
  return typed(call, at, what, napi_uint8_array);
}
static struct view floats(struct call *call, size_t at, const char *what) {
  return typed(call, at, what, napi_float32_array);
}

static const struct kernel_set *set_argument(struct call *call) {
  size_t index = whole(call, 0, "set", 0);
  if (!call->failed && (index >= SET_COUNT || !machine_runs(SETS[index]->name)))
    fail(call, 0, "kernel set %zu does not run here", index);
  return call->failed ? NULL : SETS[index];
}

static const struct format *format_argument(struct call *call, const struct kernel_set *set) {
  size_t index = whole(call, 1, "format", 0);
  if (!call->failed && index >= set->format_count) fail(call, 0, "no format %zu", index);
  return call->failed ? NULL : &set->formats[index];
}

static napi_value result(struct call *call, ptrdiff_t position) {
  napi_value value = NULL;
  if (!call->failed) napi_create_double(call->env, (double)position, &value);
  return value;
}

/* ---- kernels ---- */

/* decode(set, format, src, dst) */
static napi_value decode(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decode", 4);
  const struct kernel_set *set = set_argument(&call);
  const struct format *format = format_argument(&call, set);
  const struct view src = bytes(&call, 2, "src"), dst = floats(&call, 3, "dst");
  if (call.failed) return NULL;
  const size_t blocks = dst.length / format->block_length;
  if (dst.length % format->block_length || src.length != blocks * format->block_bytes)
    fail(&call, 0, "%zu %s bytes do not hold %zu values", src.length, format->name, dst.length);
  return result(&call, call.failed ? 0 : format->decode(src.data, dst.data, blocks));
}

/* encode(set, format, src, dst, rowLength, importance | null); importance already normalised */
static napi_value encode(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "encode", 6);
  const struct kernel_set *set = set_argument(&call);
  const struct format *format = format_argument(&call, set);
  const struct view src = floats(&call, 2, "src"), dst = bytes(&call, 3, "dst");
  const size_t row_length = whole(&call, 4, "rowLength", 1);
  if (call.failed) return NULL;
  napi_valuetype kind;
  struct view importance = {NULL, row_length};
  if (napi_typeof(env, call.argv[5], &kind) != napi_ok || (kind != napi_null && kind != napi_undefined))
    importance = floats(&call, 5, "importance");
  if (call.failed) return NULL;
  if (!format->encode)
    fail(&call, 0, "no %s encoder", format->name);
  else if (row_length % format->block_length || src.length % row_length ||
           dst.length != src.length / format->block_length * format->block_bytes)
    fail(&call, 0, "%s: %zu values, rows of %zu, %zu bytes out", format->name, src.length, row_length, dst.length);
  else if (importance.length != row_length)
    fail(&call, 0, "%s: %zu importance weights for rows of %zu", format->name, importance.length, row_length);
  if (call.failed) return NULL;
  return result(&call, set->encode(format, src.data, src.length, dst.data, row_length, importance.data));
}

/* decodeF8(set, codes, cols, scales, blockRows, blockCols, firstRow, dst) */
static napi_value decode_f8(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decodeF8", 8);
  const struct kernel_set *set = set_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), dst = floats(&call, 7, "dst");
  const size_t cols = whole(&call, 2, "cols", 1);
  struct f8_scales scales = {.block_rows = whole(&call, 4, "blockRows", 1),
                             .block_cols = whole(&call, 5, "blockCols", 1),
                             .first_row = whole(&call, 6, "firstRow", 0)};
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
  if (codes.length % cols || dst.length != codes.length || scale_rows > values.length / scale_cols)
    fail(&call, 0, "%zu codes in rows of %zu, %zu scales, %zu values", codes.length, cols, values.length, dst.length);
  return result(&call, call.failed ? 0 : set->decode_f8(codes.data, rows, cols, &scales, dst.data));
}

/* decodeFp4(set, codes, scales, dst) */
static napi_value decode_fp4(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "decodeFp4", 4);
  const struct kernel_set *set = set_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales"), dst = floats(&call, 3, "dst");
  if (call.failed) return NULL;
  const size_t group = scales.length ? dst.length / scales.length : 0;
  if (dst.length != 2 * codes.length || group * scales.length != dst.length || group % 2)
    fail(&call, 0, "%zu code bytes, %zu scales, %zu values", codes.length, scales.length, dst.length);
  return result(&call, call.failed ? 0 : set->decode_fp4(codes.data, scales.data, scales.length, group, dst.data));
}

/* repackMxfp4(set, codes, scales, dst) */
static napi_value repack_mxfp4(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "repackMxfp4", 4);
  const struct kernel_set *set = set_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales"), dst = bytes(&call, 3, "dst");
  if (call.failed) return NULL;
  if (codes.length != 16 * scales.length || dst.length != 17 * scales.length)
    fail(&call, 0, "%zu code bytes, %zu scales, %zu bytes out", codes.length, scales.length, dst.length);
  return result(&call, call.failed ? 0 : set->repack_mxfp4(codes.data, scales.data, scales.length, dst.data));
}

/* matchFp4(set, codes, scales, blocks, span) */
static napi_value match_fp4(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "matchFp4", 5);
  const struct kernel_set *set = set_argument(&call);
  const struct view codes = bytes(&call, 1, "codes"), scales = bytes(&call, 2, "scales");
  const struct view blocks = bytes(&call, 3, "blocks"), span = bytes(&call, 4, "span");
  if (call.failed) return NULL;
  if (codes.length != 16 * scales.length || blocks.length != 17 * scales.length || span.length != 2)
    fail(&call, 0, "%zu code bytes, %zu scales, %zu bytes of blocks, a span of %zu bytes", codes.length, scales.length,
         blocks.length, span.length);
  return result(&call,
                call.failed ? 0 : set->match_fp4(codes.data, scales.data, scales.length, blocks.data, span.data));
}

/* compare(set, x, y, sums) */
static napi_value compare(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "compare", 4);
  const struct kernel_set *set = set_argument(&call);
  const struct view x = floats(&call, 1, "x"), y = floats(&call, 2, "y");
  const struct view sums = typed(&call, 3, "sums", napi_float64_array);
  if (!call.failed && x.length != y.length) fail(&call, 0, "%zu values beside %zu", x.length, y.length);
  if (!call.failed && sums.length != sizeof(struct comparison) / sizeof(double))
    fail(&call, 0, "%zu sums, expected %zu", sums.length, sizeof(struct comparison) / sizeof(double));
  if (!call.failed) set->compare(x.data, y.data, x.length, sums.data);
  return NULL;
}

/* columnEnergy(set, src, sums) */
static napi_value column_energy(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "columnEnergy", 3);
  const struct kernel_set *set = set_argument(&call);
  const struct view src = floats(&call, 1, "src"), sums = typed(&call, 2, "sums", napi_float64_array);
  if (call.failed) return NULL;
  if (sums.length ? src.length % sums.length : src.length)
    fail(&call, 0, "%zu values in rows of %zu", src.length, sums.length);
  else if (sums.length)
    set->column_energy(src.data, src.length / sums.length, sums.length, sums.data);
  return NULL;
}

#include "addon-threads.h"

#include "addon-forward.h"
#include "addon-safetensors.h"

/* ---- what is here ---- */

static void put(napi_env env, napi_value object, const char *key, napi_value value) {
  napi_set_named_property(env, object, key, value);
}
static napi_value number(napi_env env, double value) {
  napi_value out;
  napi_create_double(env, value, &out);
  return out;
}
static napi_value text(napi_env env, const char *value) {
  napi_value out;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &out);
  return out;
}
static napi_value boolean(napi_env env, int value) {
  napi_value out;
  napi_get_boolean(env, value != 0, &out);
  return out;
}

/* sets(): [{ name, runs }], in the order of their indices. */
static napi_value sets(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value list;
  napi_create_array(env, &list);
  for (uint32_t i = 0; i < SET_COUNT; i++) {
    napi_value entry;
    napi_create_object(env, &entry);
    put(env, entry, "name", text(env, SETS[i]->name));
    put(env, entry, "runs", boolean(env, machine_runs(SETS[i]->name)));
    napi_set_element(env, list, i, entry);
  }
  return list;
}

/* formats(): [{ name, blockLength, blockBytes, largest, encodes }], in the order of their indices. */
static napi_value formats(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value list;
  napi_create_array(env, &list);
  for (uint32_t i = 0; i < SETS[0]->format_count; i++) {
    const struct format *format = &SETS[0]->formats[i];
    napi_value entry;
    napi_create_object(env, &entry);
    put(env, entry, "name", text(env, format->name));
    put(env, entry, "blockLength", number(env, (double)format->block_length));
    put(env, entry, "blockBytes", number(env, (double)format->block_bytes));
    put(env, entry, "largest", number(env, (double)format->largest));
    put(env, entry, "encodes", boolean(env, format->encode != NULL));
    napi_set_element(env, list, i, entry);
  }
  return list;
}

/* cpuFeatures(): what this processor and its operating system offer, by the names of kernel sets. */
static napi_value cpu_features(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value object;
  napi_create_object(env, &object);
#if defined(__x86_64__)
  put(env, object, "avx2", boolean(env, machine_runs("avx2")));
  put(env, object, "avx512", boolean(env, machine_runs("avx512")));
  put(env, object, "neon", boolean(env, 0));
#else
  put(env, object, "avx2", boolean(env, 0));
  put(env, object, "avx512", boolean(env, 0));
#if defined(__aarch64__)
  put(env, object, "neon", boolean(env, 1));
#else
  put(env, object, "neon", boolean(env, 0));
#endif
#endif
  return object;
}

/* fadviseDontNeed(fd, offset, length): drops file pages from the cache; 0, or errno; 0 where it does not exist. */
static napi_value fadvise_dont_need(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "fadviseDontNeed", 3);
  const size_t fd = whole(&call, 0, "fd", 0), offset = whole(&call, 1, "offset", 0);
  const size_t length = whole(&call, 2, "length", 0);
  if (!call.failed && fd > 0x7fffffff) fail(&call, 0, "fd must be a file descriptor");
  if (call.failed) return NULL;
#if defined(POSIX_FADV_DONTNEED)
  return result(&call, posix_fadvise((int)fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED));
#else
  (void)offset, (void)length;
  return result(&call, 0);
#endif
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"sets", sets},
      {"formats", formats},
      {"cpuFeatures", cpu_features},
      {"fadviseDontNeed", fadvise_dont_need},
      {"decode", decode},
      {"encode", encode},
      {"decodeF8", decode_f8},
      {"decodeFp4", decode_fp4},
      {"repackMxfp4", repack_mxfp4}, {"matchFp4", match_fp4}, {"compare", compare}, {"columnEnergy", column_energy},
      FORWARD_FUNCTIONS,
      SAFETENSORS_FUNCTIONS,
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
