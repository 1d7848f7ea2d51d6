/*
 * out[m, n] = x[m, k] . W[n, k]^T in f32, W in any stored format. Specification: scalar/gemm.ts.
 *
 * The sum over k of one element is cut into runs of DEPTH columns: inside a run one multiply-add after another
 * in the order of k, then the runs are added in order. Nothing else enters an element, so it has the same bits
 * however m and n are cut into calls, and FMA makes it differ between instruction sets only.
 *
 * Loops, outermost first: rows of x as many as fit the copy; TILE rows of W; runs of k. For each run the rows of
 * W are decoded and transposed, LANES at a time, into panels [k][LANES]; then groups of panels that stay in the
 * first-level cache meet all slivers of ROWS rows of x, which stream from the second.
 */
#include <stdlib.h>

#include "set.h"
#include "vec.h"

#include "fma.h"
#include "weights.h"

enum {
  DEPTH = 256, /* a multiple of every block length, and a panel pair fills half of a 32 KiB cache at 8 lanes */
  TILE = 64,
  ROW_STRIDE = DEPTH + 16, /* of decoded rows: not a power of two, so that they don't compete for cache sets */
  COPY_FLOATS = 2 << 20, /* of x at a time: 8 MiB */
#if defined(V4_AVX512)
  ROWS = 12,
  GROUP = 2,
#elif defined(V4_AVX2)
  ROWS = 6,
  GROUP = 2,
#elif defined(V4_NEON)
  ROWS = 6,
  GROUP = 4,
#else
  ROWS = 4,
  GROUP = 2,
#endif
};

struct tile {
  const float *x; /* [depth][rows] */
  const float *panels; /* [vectors][DEPTH][LANES] */
  size_t depth;
  float *out;
  size_t out_stride;
  size_t columns; /* of `out` that exist; the last panel may be wider */
  int first; /* the first run stores, the others add */
};

/* `rows` and `vectors` are constants in every caller: the accumulators are registers. */
V4_INLINE void multiply(const struct tile *t, const int rows, const int vectors) {
  vf sum[ROWS][2 * GROUP];
  const float *x = t->x, *panels = t->panels;
  const size_t depth = t->depth;
  V4_UNROLL for (int r = 0; r < rows; r++)
    V4_UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = vf_set(0.0f);
  for (size_t k = 0; k < depth; k++) {
    vf w[2 * GROUP];
    V4_UNROLL for (int v = 0; v < vectors; v++) w[v] = vf_load(panels + ((size_t)v * DEPTH + k) * LANES);
    V4_UNROLL for (int r = 0; r < rows; r++) {
      const vf value = vf_set(x[k * (size_t)rows + (size_t)r]);
      V4_UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = vf_fma(value, w[v], sum[r][v]);
    }
  }
  V4_UNROLL for (int r = 0; r < rows; r++) {
    float *out = t->out + (size_t)r * t->out_stride;
    if (t->columns >= (size_t)(vectors * LANES)) {
      V4_UNROLL for (int v = 0; v < vectors; v++)
        vf_store(out + v * LANES, t->first ? sum[r][v] : vf_load(out + v * LANES) + sum[r][v]);
    } else {
      float edge[2 * GROUP * LANES];
      V4_UNROLL for (int v = 0; v < vectors; v++) vf_store(edge + v * LANES, sum[r][v]);
      for (size_t c = 0; c < t->columns; c++) out[c] = t->first ? edge[c] : out[c] + edge[c];
    }
  }
}

/* Few rows want more columns at once, for enough independent sums; many rows, fewer. */
static size_t group_of(size_t rows, size_t panels_left) {
  const size_t most = rows <= ROWS / 2 ? 2 * GROUP : GROUP;
  return panels_left >= most ? most : panels_left >= GROUP ? GROUP : 1;
}

static void multiply_any(const struct tile *t, size_t rows, size_t vectors) {
#define NARROW(r) \
  case r: \
    if (r <= ROWS / 2 && vectors == 2 * GROUP) multiply(t, r <= ROWS / 2 ? r : 1, 2 * GROUP); \
    else if (vectors == GROUP) multiply(t, r <= ROWS ? r : 1, GROUP); \
    else multiply(t, r <= ROWS ? r : 1, 1); \
    break;
  switch (rows) {
    NARROW(1) NARROW(2) NARROW(3) NARROW(4) NARROW(5) NARROW(6)
#if defined(V4_AVX512)
    NARROW(7) NARROW(8) NARROW(9) NARROW(10) NARROW(11) NARROW(12)
#endif
  }
#undef NARROW
}

/* Rows of x in slivers as equal as they come, none above ROWS: sliver s begins at row s * rows / slivers. */
V4_INLINE size_t sliver_begin(size_t s, size_t rows, size_t slivers) { return s * rows / slivers; }

/* x to [run][sliver][k][rows of the sliver]: the multiplication reads one stream of memory. */
static void copy_x(const struct gemm_job *job, size_t row, size_t rows, size_t slivers, float *copy) {
  for (size_t from = 0; from < job->w.cols; from += DEPTH, copy += rows * DEPTH) {
    const size_t depth = job->w.cols - from < DEPTH ? job->w.cols - from : DEPTH;
    for (size_t s = 0; s < slivers; s++) {
      const size_t begin = sliver_begin(s, rows, slivers), height = sliver_begin(s + 1, rows, slivers) - begin;
      for (size_t r = 0; r < height; r++) {
        const float *src = job->x + (row + begin + r) * job->x_stride + from;
        float *dst = copy + begin * DEPTH + r;
        for (size_t k = 0; k < depth; k++) dst[k * height] = src[k];
      }
    }
  }
}

/* `count` <= TILE rows of W, one run of k, decoded and transposed. Returns V4_OK or the row without a value. */
static ptrdiff_t pack(const struct weights *w, size_t row, size_t count, size_t from, size_t depth, float *decoded,
                      float *panels) {
  const size_t padded = (depth + 15) & ~(size_t)15, stride = weights_stride(w);
  const int direct = w->format && w->format->block_length == 1 && w->format->block_bytes == 4 && padded == depth &&
                     (uintptr_t)w->codes % sizeof(float) == 0;
  for (size_t first = 0; first < count; first += LANES, panels += DEPTH * LANES) {
    const float *rows[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
      const size_t at = row + first + lane;
      const uint8_t *next = w->codes + (at * w->cols + from) / DEPTH * stride + stride;
      for (size_t byte = 0; byte < stride; byte += 64) __builtin_prefetch(next + byte);
      if (first + lane >= count) { /* no such row: repeat one, its sums are dropped */
        rows[lane] = rows[lane - 1];
      } else if (direct) {
        rows[lane] = (const float *)(const void *)w->codes + at * w->cols + from;
      } else {
        float *dst = decoded + lane * ROW_STRIDE;
        if (weights_piece(w, at, from, depth, dst) != V4_OK) return (ptrdiff_t)at;
        memset(dst + depth, 0, (padded - depth) * sizeof *dst);
        rows[lane] = dst;
      }
    }
    lanes_transpose(rows, (int)padded, panels);
  }
  return V4_OK;
}

ptrdiff_t V4(gemm)(const struct gemm_job *job) {
  const struct weights *w = &job->w;
  const size_t runs = (w->cols + DEPTH - 1) / DEPTH;
  const size_t most = COPY_FLOATS / (runs * DEPTH) / ROWS * ROWS, fit = most ? most : ROWS;
  const size_t chunk = job->rows < fit ? job->rows : fit;
  float *scratch = malloc((runs * DEPTH * chunk + LANES * ROW_STRIDE + TILE * DEPTH) * sizeof *scratch + 64);
  if (!scratch) return V4_NO_MEMORY;
  float *panels = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
  float *decoded = panels + TILE * DEPTH, *copy = decoded + LANES * ROW_STRIDE;
  ptrdiff_t status = V4_OK;

  for (size_t row = 0; row < job->rows && status == V4_OK; row += chunk) {
    const size_t rows = job->rows - row < chunk ? job->rows - row : chunk;
    const size_t slivers = (rows + ROWS - 1) / ROWS;
    copy_x(job, row, rows, slivers, copy);
    for (size_t n = 0; n < job->out_rows && status == V4_OK; n += TILE) {
      const size_t count = job->out_rows - n < TILE ? job->out_rows - n : TILE;
      const size_t panel_count = (count + LANES - 1) / LANES;
      for (size_t run = 0; run < runs && status == V4_OK; run++) {
        const size_t from = run * DEPTH, depth = w->cols - from < DEPTH ? w->cols - from : DEPTH;
        status = pack(w, n, count, from, depth, decoded, panels);
        if (status != V4_OK) break;
        for (size_t p = 0, group; p < panel_count; p += group) {
          group = group_of(rows, panel_count - p);
          for (size_t s = 0; s < slivers; s++) {
            const size_t begin = sliver_begin(s, rows, slivers), end = sliver_begin(s + 1, rows, slivers);
            const struct tile tile = {.x = copy + (run * rows + begin) * DEPTH,
                                      .panels = panels + p * DEPTH * LANES,
                                      .depth = depth,
                                      .out = job->out + (row + begin) * job->out_stride + n + p * LANES,
                                      .out_stride = job->out_stride,
                                      .columns = count - p * LANES,
                                      .first = run == 0};
            multiply_any(&tile, end - begin, group);
          }
        }
      }
    }
  }
  free(scratch);
  return status;
}
