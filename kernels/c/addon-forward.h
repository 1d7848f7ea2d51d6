/*
 * The part of the binding that serves the forward pass. Included by addon.c, whose argument readers it uses.
 * Counts of rows and columns come from JavaScript; every one is checked against the views before a kernel runs.
 */
#include "forward.h"

static struct view ints(struct call *call, size_t at, const char *what) {
  return typed(call, at, what, napi_int32_array);
}

static int is_nothing(struct call *call, size_t at) {
  napi_valuetype kind;
  return napi_typeof(call->env, call->argv[at], &kind) == napi_ok && (kind == napi_null || kind == napi_undefined);
}

/* A Float32Array of exactly `length` values, or null. */
static const float *optional_floats(struct call *call, size_t at, const char *what, size_t length) {
  if (call->failed || is_nothing(call, at)) return NULL;
  const struct view view = floats(call, at, what);
  if (!call->failed && view.length != length) fail(call, 0, "%zu %s, expected %zu", view.length, what, length);
  return view.data;
}

static double finite_number(struct call *call, size_t at, const char *what) {
  double value = 0;
  if (!call->failed && napi_get_value_double(call->env, call->argv[at], &value) != napi_ok)
    fail(call, 1, "%s must be a number", what);
  return value;
}

/* Whether `length` values hold `rows` rows of `cols`, `stride` apart: the last row may stop at its end. */
static int holds(size_t length, size_t rows, size_t cols, size_t stride) {
  size_t most, gap;
  if (stride < cols || __builtin_mul_overflow(rows, stride, &most)) return 0;
  gap = rows ? stride - cols : 0;
  return length <= most && length >= most - gap;
}

/* A product in pieces of `unit` rows of the matrix. Each piece copies x for itself, so pieces are not made too small. */
struct gemm_pieces {
  const struct kernel_set *set;
  const struct gemm_job *whole;
  size_t unit;
  _Atomic ptrdiff_t status; /* V4_OK, V4_NO_MEMORY or the first bad row */
};

static void gemm_piece(void *context, size_t item) {
  struct gemm_pieces *pieces = context;
  const size_t row = item * pieces->unit;
  struct gemm_job job = *pieces->whole;
  struct weights *w = &job.w;
  job.out += row;
  job.out_rows = job.out_rows - row < pieces->unit ? job.out_rows - row : pieces->unit;
  if (w->format) {
    w->codes += row * (w->cols / w->format->block_length) * w->format->block_bytes;
  } else if (w->fp4_group) {
    w->codes += row * (w->cols / 2);
    w->fp4_scales += row * (w->cols / w->fp4_group);
  } else {
    w->codes += row * w->cols;
    w->f8.first_row += row;
  }
  const ptrdiff_t status = pieces->set->gemm(&job);
  if (status == V4_OK) return;
  const ptrdiff_t found = status == V4_NO_MEMORY ? status : status + (ptrdiff_t)row;
  ptrdiff_t known = atomic_load(&pieces->status);
  while ((known == V4_OK || found < known) && !atomic_compare_exchange_weak(&pieces->status, &known, found));
}

static ptrdiff_t gemm_parallel(const struct kernel_set *set, const struct gemm_job *job, size_t threads) {
  enum { TILE_ROWS = 64, SMALL = 1 << 18 /* products too small to wake anybody for */ };
  if (threads < 2 || job->out_rows * job->rows * job->w.cols < SMALL) return set->gemm(job);
  /* Some pieces more than threads: one that is held up leaves its share to the others. */
  const size_t share = job->out_rows / (4 * threads);
  const size_t unit = share >= TILE_ROWS ? share / TILE_ROWS * TILE_ROWS : share >= 16 ? share / 16 * 16 : 16;
  struct gemm_pieces pieces = {.set = set, .whole = job, .unit = unit, .status = V4_OK};
  parallel_for(threads, (job->out_rows + unit - 1) / unit, gemm_piece, &pieces);
  return pieces.status;
}

/* gemm(set, x, rows, xStride, cols, kind, codes, scales | null, blockRows, blockCols, firstRow, outRows, out, outStride,
   threads); kind is a format's index, -1 for FP4, -2 for FP8. */
static napi_value gemm(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "gemm", 15);
  const struct kernel_set *set = set_argument(&call);
  const struct view x = floats(&call, 1, "x"), codes = bytes(&call, 6, "weights"), out = floats(&call, 12, "out");
  struct gemm_job job = {.x = x.data,
                         .rows = whole(&call, 2, "rows", 0),
                         .x_stride = whole(&call, 3, "xStride", 1),
                         .out = out.data,
                         .out_rows = whole(&call, 11, "outRows", 0),
                         .out_stride = whole(&call, 13, "outStride", 0)};
  struct weights *w = &job.w;
  const size_t threads = whole(&call, 14, "threads", 1);
  w->codes = codes.data;
  w->cols = whole(&call, 4, "cols", 1);
  const double kind = finite_number(&call, 5, "kind");
  size_t elements = 0, expected = 0;
  if (call.failed) return NULL;
  if (__builtin_mul_overflow(job.out_rows, w->cols, &elements)) fail(&call, 0, "the matrix is too large");
  if (!call.failed && kind >= 0) {
    if (!(kind < (double)set->format_count)) fail(&call, 0, "no format %g", kind);
    if (call.failed) return NULL;
    w->format = &set->formats[(size_t)kind];
    if (w->cols % w->format->block_length) fail(&call, 0, "%zu columns are no whole %s blocks", w->cols, w->format->name);
    expected = elements / w->format->block_length * w->format->block_bytes;
  } else if (!call.failed && kind == -1) {
    const struct view scales = bytes(&call, 7, "scales");
    if (call.failed) return NULL;
    const size_t groups = job.out_rows ? scales.length / job.out_rows : 1;
    w->fp4_scales = scales.data;
    w->fp4_group = groups ? w->cols / groups : 0;
    expected = elements / 2;
    if (w->cols % 2 || w->fp4_group == 0 || w->fp4_group % 2 || w->fp4_group * groups != w->cols ||
        groups * job.out_rows != scales.length)
      fail(&call, 0, "%zu scales for a matrix of %zu x %zu", scales.length, job.out_rows, w->cols);
  } else if (!call.failed) {
    struct view values = {NULL, 0};
    napi_typedarray_type type = napi_uint8_array;
    w->f8 = (struct f8_scales){.block_rows = whole(&call, 8, "blockRows", 1),
                               .block_cols = whole(&call, 9, "blockCols", 1),
                               .first_row = whole(&call, 10, "firstRow", 0)};
    if (!view_type(&call, 7, &type, &values) || (type != napi_uint8_array && type != napi_float32_array))
      fail(&call, 1, "scales must be a Uint8Array (E8M0) or a Float32Array");
    if (call.failed) return NULL;
    if (type == napi_uint8_array) w->f8.e8m0 = values.data;
    else w->f8.f32 = values.data;
    const size_t scale_cols = (w->cols - 1) / w->f8.block_cols + 1;
    const size_t scale_rows = job.out_rows ? (w->f8.first_row + job.out_rows - 1) / w->f8.block_rows + 1 : 0;
    expected = elements;
    if (scale_rows > values.length / scale_cols)
      fail(&call, 0, "%zu scales for %zu x %zu codes from row %zu", values.length, job.out_rows, w->cols, w->f8.first_row);
  }
  if (call.failed) return NULL;
  if (codes.length != expected)
    fail(&call, 0, "%zu bytes of weights for %zu x %zu, expected %zu", codes.length, job.out_rows, w->cols, expected);
  else if (!holds(x.length, job.rows, w->cols, job.x_stride))
    fail(&call, 0, "x has %zu values for %zu rows of %zu, %zu apart", x.length, job.rows, w->cols, job.x_stride);
  else if (!holds(out.length, job.rows, job.out_rows, job.out_stride))
    fail(&call, 0, "out has %zu values for %zu rows of %zu, %zu apart", out.length, job.rows, job.out_rows, job.out_stride);
  if (call.failed) return NULL;
  const ptrdiff_t status = gemm_parallel(set, &job, threads);
  if (status == V4_NO_MEMORY) {
    napi_throw_error(env, NULL, "gemm: no memory for the copy of x");
    return NULL;
  }
  return result(&call, status);
}

/* rmsNorm(set, x, cols, epsilon, weight | null, out) */
static napi_value rms_norm(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "rmsNorm", 6);
  const struct kernel_set *set = set_argument(&call);
  const struct view x = floats(&call, 1, "x"), out = floats(&call, 5, "out");
  const size_t cols = whole(&call, 2, "cols", 1);
  const double epsilon = finite_number(&call, 3, "epsilon");
  const float *weight = optional_floats(&call, 4, "weights", cols);
  if (!call.failed && (x.length % cols || out.length != x.length))
    fail(&call, 0, "%zu values in rows of %zu, %zu out", x.length, cols, out.length);
  if (call.failed) return NULL;
  set->forward->rms_norm(x.data, x.length / cols, cols, (float)epsilon, weight, out.data);
  return NULL;
}

/* softmax(set, x, cols, sinks | null) */
static napi_value softmax(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "softmax", 4);
  const struct kernel_set *set = set_argument(&call);
  const struct view x = floats(&call, 1, "x");
  const size_t cols = whole(&call, 2, "cols", 1);
  const float *sinks = optional_floats(&call, 3, "sinks", x.length / cols);
  if (!call.failed && x.length % cols) fail(&call, 0, "%zu values in rows of %zu", x.length, cols);
  if (call.failed) return NULL;
  set->forward->softmax(x.data, x.length / cols, cols, sinks);
  return NULL;
}

/* swiglu(set, gate, up, cols, limit, weights | null, out) */
static napi_value swiglu(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "swiglu", 7);
  const struct kernel_set *set = set_argument(&call);
  const struct view gate = floats(&call, 1, "gate"), up = floats(&call, 2, "up"), out = floats(&call, 6, "out");
  const size_t cols = whole(&call, 3, "cols", 1);
  const double limit = finite_number(&call, 4, "limit");
  const float *weights = optional_floats(&call, 5, "weights", gate.length / cols);
  if (!call.failed && (gate.length % cols || up.length != gate.length || out.length != gate.length))
    fail(&call, 0, "%zu and %zu values in rows of %zu, %zu out", gate.length, up.length, cols, out.length);
  if (call.failed) return NULL;
  set->forward->swiglu(gate.data, up.data, gate.length / cols, cols, (float)limit, weights, out.data);
  return NULL;
}

/* hadamard(set, x, cols) */
static napi_value hadamard(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "hadamard", 3);
  const struct kernel_set *set = set_argument(&call);
  const struct view x = floats(&call, 1, "x");
  const size_t cols = whole(&call, 2, "cols", 1);
  if (!call.failed && (cols & (cols - 1) || x.length % cols))
    fail(&call, 0, "%zu values in rows of %zu, which must be a power of two", x.length, cols);
  if (!call.failed) set->forward->hadamard(x.data, x.length / cols, cols);
  return NULL;
}

/* topK(set, values, indices) */
static napi_value top_k(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "topK", 3);
  const struct kernel_set *set = set_argument(&call);
  const struct view values = floats(&call, 1, "values"), indices = ints(&call, 2, "indices");
  if (!call.failed && (indices.length > values.length || values.length > 0x7fffffff))
    fail(&call, 0, "%zu of %zu values", indices.length, values.length);
  if (!call.failed) set->forward->top_k(values.data, values.length, indices.length, indices.data);
  return NULL;
}

/* Four heads share what they load: pieces of attention are four heads of one token. */
enum { PIECE_HEADS = 4 };
struct attend_pieces {
  const struct kernel_set *set;
  const struct attention_job *whole;
  atomic_int failed;
};

static void attend_piece(void *context, size_t item) {
  struct attend_pieces *pieces = context;
  struct attention_job job = *pieces->whole;
  const size_t head = item * PIECE_HEADS;
  job.q += head * job.dim;
  job.out += head * job.dim;
  if (job.sinks) job.sinks += head;
  job.heads = job.heads - head < PIECE_HEADS ? job.heads - head : PIECE_HEADS;
  if (!pieces->set->forward->attend(&job)) atomic_store(&pieces->failed, 1);
}

static int attend_parallel(const struct kernel_set *set, const struct attention_job *job, size_t threads) {
  enum { SMALL = 1 << 18 };
  if (threads < 2 || job->heads * job->dim * job->count < SMALL) return set->forward->attend(job);
  struct attend_pieces pieces = {.set = set, .whole = job};
  parallel_for(threads, (job->heads + PIECE_HEADS - 1) / PIECE_HEADS, attend_piece, &pieces);
  return !pieces.failed;
}

/* attend(set, q, dim, keys, index, scale, sinks | null, out, threads) */
static napi_value attend(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "attend", 9);
  const struct kernel_set *set = set_argument(&call);
  const struct view q = floats(&call, 1, "q"), keys = floats(&call, 3, "keys"), index = ints(&call, 4, "index");
  const struct view out = floats(&call, 7, "out");
  struct attention_job job = {.q = q.data, .keys = keys.data, .index = index.data, .count = index.length, .out = out.data};
  job.dim = whole(&call, 2, "dim", 1);
  job.heads = q.length / job.dim;
  job.scale = (float)finite_number(&call, 5, "scale");
  job.sinks = optional_floats(&call, 6, "sinks", job.heads);
  const size_t threads = whole(&call, 8, "threads", 1);
  if (call.failed) return NULL;
  const size_t key_rows = keys.length / job.dim;
  if (q.length % job.dim || keys.length % job.dim || out.length != q.length || (!job.count && !job.sinks))
    fail(&call, 0, "%zu query values and %zu key values in rows of %zu, %zu keys, %zu out", q.length, keys.length, job.dim,
         job.count, out.length);
  for (size_t i = 0; i < job.count && !call.failed; i++)
    if (job.index[i] < 0 || (size_t)job.index[i] >= key_rows)
      fail(&call, 0, "index %d at %zu, but there are %zu key rows", job.index[i], i, key_rows);
  if (!call.failed && !attend_parallel(set, &job, threads)) napi_throw_error(env, NULL, "attend: no memory for the scores");
  return NULL;
}

/* indexScores(set, q, weights, keys, dim, out) */
static napi_value index_scores(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "indexScores", 6);
  const struct kernel_set *set = set_argument(&call);
  const struct view q = floats(&call, 1, "q"), weights = floats(&call, 2, "weights"), keys = floats(&call, 3, "keys");
  const size_t dim = whole(&call, 4, "dim", 1);
  const struct view out = floats(&call, 5, "out");
  if (!call.failed && (q.length % dim || keys.length % dim || weights.length != q.length / dim || out.length != keys.length / dim))
    fail(&call, 0, "%zu query and %zu key values in rows of %zu, %zu weights, %zu scores", q.length, keys.length, dim,
         weights.length, out.length);
  if (call.failed) return NULL;
  set->forward->index_scores(q.data, weights.data, keys.data, weights.length, dim, out.length, out.data);
  return NULL;
}

/* roundF8 and roundF4(set, x, stride, cols, group) */
static napi_value round_rows(napi_env env, napi_callback_info info, const char *name, int bits) {
  struct call call;
  begin(&call, env, info, name, 5);
  const struct kernel_set *set = set_argument(&call);
  const struct view x = floats(&call, 1, "x");
  const size_t stride = whole(&call, 2, "stride", 1), cols = whole(&call, 3, "cols", 1), group = whole(&call, 4, "group", 16);
  if (!call.failed && (x.length % stride || cols > stride || cols % group || group % 16))
    fail(&call, 0, "%zu values, %zu of every %zu in groups of %zu", x.length, cols, stride, group);
  if (call.failed) return NULL;
  const struct forward *forward = set->forward;
  return result(&call, (bits == 8 ? forward->round_f8 : forward->round_f4)(x.data, x.length / stride, stride, cols, group));
}
static napi_value round_f8(napi_env env, napi_callback_info info) { return round_rows(env, info, "roundF8", 8); }
static napi_value round_f4(napi_env env, napi_callback_info info) { return round_rows(env, info, "roundF4", 4); }

/* roundBf16(set, x) */
static napi_value round_bf16(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "roundBf16", 2);
  const struct kernel_set *set = set_argument(&call);
  const struct view x = floats(&call, 1, "x");
  if (!call.failed) set->forward->round_bf16(x.data, x.length);
  return NULL;
}

/* Streams of tokens in pieces of a few tokens; `pre` for the way in, the rest for the way out. */
struct stream_pieces {
  const struct forward *forward;
  size_t tokens, n, hidden;
  float *streams, *out;
  const float *pre, *y, *post, *mix;
};
enum { PIECE_TOKENS = 16 };

static void stream_piece(void *context, size_t item) {
  const struct stream_pieces *p = context;
  const size_t t = item * PIECE_TOKENS, tokens = p->tokens - t < PIECE_TOKENS ? p->tokens - t : PIECE_TOKENS;
  float *streams = p->streams + t * p->n * p->hidden;
  if (p->pre)
    p->forward->streams_in(streams, tokens, p->n, p->hidden, p->pre + t * p->n, p->out + t * p->hidden);
  else
    p->forward->streams_out(streams, tokens, p->n, p->hidden, p->y + t * p->hidden, p->post + t * p->n,
                            p->mix + t * p->n * p->n);
}

static napi_value streams_any(struct call *call, struct stream_pieces *pieces, size_t values, size_t row_values,
                              size_t threads) {
  if (!call->failed && (pieces->n < 1 || pieces->n > MAX_STREAMS || !pieces->tokens || row_values % pieces->tokens ||
                        row_values * pieces->n != values))
    fail(call, 0, "%zu values in %zu streams of %zu tokens, %zu in rows", values, pieces->n, pieces->tokens, row_values);
  if (call->failed) return NULL;
  pieces->hidden = row_values / pieces->tokens;
  parallel_for(threads, (pieces->tokens + PIECE_TOKENS - 1) / PIECE_TOKENS, stream_piece, pieces);
  return NULL;
}

/* streamsIn(set, streams, n, pre, out, threads) */
static napi_value streams_in(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "streamsIn", 6);
  const struct kernel_set *set = set_argument(&call);
  const struct view streams = floats(&call, 1, "streams"), pre = floats(&call, 3, "pre"), out = floats(&call, 4, "out");
  const size_t n = whole(&call, 2, "n", 1), threads = whole(&call, 5, "threads", 1);
  if (!call.failed && pre.length % n) fail(&call, 0, "%zu weights for %zu streams", pre.length, n);
  if (call.failed) return NULL;
  struct stream_pieces pieces = {
      .forward = set->forward, .tokens = pre.length / n, .n = n, .streams = streams.data, .pre = pre.data, .out = out.data};
  return streams_any(&call, &pieces, streams.length, out.length, threads);
}

/* streamsOut(set, streams, y, post, mix, threads) */
static napi_value streams_out(napi_env env, napi_callback_info info) {
  struct call call;
  begin(&call, env, info, "streamsOut", 6);
  const struct kernel_set *set = set_argument(&call);
  const struct view streams = floats(&call, 1, "streams"), y = floats(&call, 2, "y"), post = floats(&call, 3, "post");
  const struct view mix = floats(&call, 4, "mix");
  const size_t threads = whole(&call, 5, "threads", 1);
  const size_t n = post.length ? mix.length / post.length : 0;
  if (!call.failed && (!n || post.length * n != mix.length || post.length % n))
    fail(&call, 0, "%zu weights and %zu of the mixing", post.length, mix.length);
  if (call.failed) return NULL;
  struct stream_pieces pieces = {.forward = set->forward,
                                 .tokens = post.length / n,
                                 .n = n,
                                 .streams = streams.data,
                                 .y = y.data,
                                 .post = post.data,
                                 .mix = mix.data};
  return streams_any(&call, &pieces, streams.length, y.length, threads);
}

#define FORWARD_FUNCTIONS \
  {"gemm", gemm}, {"rmsNorm", rms_norm}, {"softmax", softmax}, {"swiglu", swiglu}, {"hadamard", hadamard}, \
      {"topK", top_k}, {"attend", attend}, {"indexScores", index_scores}, {"roundF8", round_f8}, {"roundF4", round_f4}, \
      {"roundBf16", round_bf16}, {"streamsIn", streams_in}, {"streamsOut", streams_out}
