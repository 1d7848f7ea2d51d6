/* What the files of the forward pass share. */
#ifndef V4_FORWARD_PARTS_H
#define V4_FORWARD_PARTS_H

#include "forward.h"
#include "vec.h"

int V4(attend)(const struct attention_job *job);
void V4(index_scores)(const float *q, const float *weights, const float *keys, size_t heads, size_t dim, size_t count,
                      float *out);
ptrdiff_t V4(round_f8)(float *x, size_t rows, size_t stride, size_t cols, size_t group);
ptrdiff_t V4(round_f4)(float *x, size_t rows, size_t stride, size_t cols, size_t group);
void V4(round_bf16)(float *x, size_t count);
void V4(streams_in)(const float *streams, size_t tokens, size_t n, size_t hidden, const float *pre, float *out);
void V4(streams_out)(float *streams, size_t tokens, size_t n, size_t hidden, const float *y, const float *post,
                     const float *mix);

/* x[i] = exp(x[i] - the largest of x and the sink); returns their sum, the sink's share included. */
V4_INLINE float exponentials(float *x, size_t count, const float *sink) {
  float peak = sink ? *sink : -INFINITY, total = 0.0f;
  for (size_t i = 0; i < count; i++) peak = x[i] > peak ? x[i] : peak;
  for (size_t i = 0; i < count; i++) total += x[i] = expf(x[i] - peak);
  return sink ? total + expf(*sink - peak) : total;
}

#endif
