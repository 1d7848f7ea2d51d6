/* Row-wise primitives of the forward pass. Twin: scalar/forward.ts. Bits may differ between instruction sets. */
#include "forward.h"

#include "fma.h"
#include "forward-parts.h"

/* Four sums at a time hide the latency of the addition; the rest of the row follows element by element. */
static float sum_of_squares(const float *x, size_t count) {
  vf sum[4] = {vf_set(0.0f), vf_set(0.0f), vf_set(0.0f), vf_set(0.0f)};
  size_t i = 0;
  for (; i + 4 * LANES <= count; i += 4 * LANES)
    V4_UNROLL for (int j = 0; j < 4; j++) {
      const vf value = vf_load(x + i + j * LANES);
      sum[j] = vf_fma(value, value, sum[j]);
    }
  float total = vf_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (; i < count; i++) total += x[i] * x[i];
  return total;
}

static void rms_norm(const float *x, size_t rows, size_t cols, float epsilon, const float *weight, float *out) {
  for (size_t r = 0; r < rows; r++, x += cols, out += cols) {
    const float inverse = 1.0f / sqrtf(sum_of_squares(x, cols) / (float)cols + epsilon);
    if (weight)
      for (size_t i = 0; i < cols; i++) out[i] = x[i] * inverse * weight[i];
    else
      for (size_t i = 0; i < cols; i++) out[i] = x[i] * inverse;
  }
}

static void softmax(float *x, size_t rows, size_t cols, const float *sinks) {
  for (size_t r = 0; r < rows; r++, x += cols) {
    const float total = exponentials(x, cols, sinks ? sinks + r : NULL);
    for (size_t i = 0; i < cols; i++) x[i] /= total;
  }
}

static void swiglu(const float *gate, const float *up, size_t rows, size_t cols, float limit, const float *weights,
                   float *out) {
  for (size_t r = 0; r < rows; r++, gate += cols, up += cols, out += cols) {
    const float weight = weights ? weights[r] : 1.0f;
    for (size_t i = 0; i < cols; i++) {
      const float g = gate[i] > limit ? limit : gate[i];
      const float above = up[i] > limit ? limit : up[i], u = above < -limit ? -limit : above;
      out[i] = weight * (g / (1.0f + expf(-g)) * u);
    }
  }
}

static void hadamard(float *x, size_t rows, size_t cols) {
  const float scale = (float)(1.0 / sqrt((double)cols));
  for (size_t r = 0; r < rows; r++, x += cols) {
    for (size_t h = 1; h < cols; h *= 2)
      for (size_t from = 0; from < cols; from += 2 * h)
        for (size_t i = from; i < from + h; i++) {
          const float a = x[i], b = x[i + h];
          x[i] = a + b;
          x[i + h] = a - b;
        }
    for (size_t i = 0; i < cols; i++) x[i] *= scale;
  }
}

/* Whether candidate a ranks behind b: smaller value, or the same value further on. NaN ranks as -infinity. */
V4_INLINE int behind(const float *values, int32_t a, int32_t b) {
  const float x = isnan(values[a]) ? -INFINITY : values[a], y = isnan(values[b]) ? -INFINITY : values[b];
  return x < y || (x == y && a > b);
}

/* Restores the heap whose root is the candidate that ranks last, after its element `at` changed. */
static void sift(const float *values, int32_t *heap, size_t size, size_t at) {
  const int32_t moving = heap[at];
  for (size_t child; (child = 2 * at + 1) < size; at = child) {
    if (child + 1 < size && behind(values, heap[child + 1], heap[child])) child++;
    if (!behind(values, heap[child], moving)) break;
    heap[at] = heap[child];
  }
  heap[at] = moving;
}

static void top_k(const float *values, size_t count, size_t k, int32_t *indices) {
  if (k == 0) return;
  for (size_t i = 0; i < k; i++) indices[i] = (int32_t)i;
  for (size_t i = k / 2; i-- > 0;) sift(values, indices, k, i);
  for (size_t i = k; i < count; i++) {
    if (!behind(values, indices[0], (int32_t)i)) continue;
    indices[0] = (int32_t)i;
    sift(values, indices, k, 0);
  }
  for (size_t size = k; size > 1;) { /* the last in rank goes to the end, and so on */
    const int32_t last = indices[0];
    indices[0] = indices[--size];
    indices[size] = last;
    sift(values, indices, size, 0);
  }
}

const struct forward V4(forward) = {
    .rms_norm = rms_norm,
    .softmax = softmax,
    .swiglu = swiglu,
    .hadamard = hadamard,
    .top_k = top_k,
    .attend = V4(attend),
    .index_scores = V4(index_scores),
    .round_f8 = V4(round_f8),
    .round_f4 = V4(round_f4),
    .round_bf16 = V4(round_bf16),
    .streams_in = V4(streams_in),
    .streams_out = V4(streams_out),
};
