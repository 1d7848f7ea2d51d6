/* The primitives of a forward pass that one instruction set offers. Rows are contiguous unless a stride is given. */
#ifndef V4_FORWARD_H
#define V4_FORWARD_H

#include <stddef.h>
#include <stdint.h>

/* Attention of one token: every head over the same gathered rows of `keys`, which are the values too. */
struct attention_job {
  const float *q, *keys, *sinks; /* [heads, dim], [key_rows, dim], [heads] or NULL */
  const int32_t *index; /* [count], each < key_rows */
  size_t heads, dim, count;
  float scale;
  float *out; /* [heads, dim] */
};

enum { MAX_STREAMS = 16 };

struct forward {
  void (*rms_norm)(const float *x, size_t rows, size_t cols, float epsilon, const float *weight, float *out);
  void (*softmax)(float *x, size_t rows, size_t cols, const float *sinks);
  void (*swiglu)(const float *gate, const float *up, size_t rows, size_t cols, float limit, const float *weights, float *out);
  void (*hadamard)(float *x, size_t rows, size_t cols);
  void (*top_k)(const float *values, size_t count, size_t k, int32_t *indices);
  int (*attend)(const struct attention_job *job); /* 0 if there is no memory for the scores */
  void (*index_scores)(const float *q, const float *weights, const float *keys, size_t heads, size_t dim, size_t count, float *out);
  /* In place, the first `cols` of rows `stride` apart, one power-of-two scale per `group`. V4_OK or the first value not finite. */
  ptrdiff_t (*round_f8)(float *x, size_t rows, size_t stride, size_t cols, size_t group);
  ptrdiff_t (*round_f4)(float *x, size_t rows, size_t stride, size_t cols, size_t group);
  void (*round_bf16)(float *x, size_t count);
  /* out[t] = sum_i pre[t, i] X[t, i]; and X'[t, j] = post[t, j] y[t] + sum_i mix[t, i, j] X[t, i], in place. */
  void (*streams_in)(const float *streams, size_t tokens, size_t n, size_t hidden, const float *pre, float *out);
  void (*streams_out)(float *streams, size_t tokens, size_t n, size_t hidden, const float *y, const float *post, const float *mix);
};

#endif
