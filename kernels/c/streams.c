/*
 * Hyper-connections: residual streams [tokens, n, hidden] weighed into one row, and mixed with a sublayer's output.
 * Twin: scalar/streams.ts, with identical bits: every sum runs over the streams in order.
 */
#include "forward-parts.h"

void V4(streams_in)(const float *streams, size_t tokens, size_t n, size_t hidden, const float *pre, float *out) {
  for (size_t t = 0; t < tokens; t++, streams += n * hidden, pre += n, out += hidden) {
    size_t k = 0;
    for (; k + LANES <= hidden; k += LANES) {
      vf sum = vf_set(pre[0]) * vf_load(streams + k);
      for (size_t i = 1; i < n; i++) sum += vf_set(pre[i]) * vf_load(streams + i * hidden + k);
      vf_store(out + k, sum);
    }
    for (; k < hidden; k++) {
      out[k] = pre[0] * streams[k];
      for (size_t i = 1; i < n; i++) out[k] += pre[i] * streams[i * hidden + k];
    }
  }
}

void V4(streams_out)(float *streams, size_t tokens, size_t n, size_t hidden, const float *y, const float *post,
                     const float *mix) {
  for (size_t t = 0; t < tokens; t++, streams += n * hidden, y += hidden, post += n, mix += n * n) {
    size_t k = 0;
    for (; k + LANES <= hidden; k += LANES) {
      vf old[MAX_STREAMS];
      for (size_t i = 0; i < n; i++) old[i] = vf_load(streams + i * hidden + k);
      const vf add = vf_load(y + k);
      for (size_t j = 0; j < n; j++) {
        vf sum = vf_set(post[j]) * add;
        for (size_t i = 0; i < n; i++) sum += vf_set(mix[i * n + j]) * old[i];
        vf_store(streams + j * hidden + k, sum);
      }
    }
    for (; k < hidden; k++) {
      float old[MAX_STREAMS];
      for (size_t i = 0; i < n; i++) old[i] = streams[i * hidden + k];
      for (size_t j = 0; j < n; j++) {
        float sum = post[j] * y[k];
        for (size_t i = 0; i < n; i++) sum += mix[i * n + j] * old[i];
        streams[j * hidden + k] = sum;
      }
    }
  }
}
