/*
 * Attention over gathered rows that are key and value at once, and the lightning indexer's scores. Twin:
 * scalar/attention.ts. Four heads share every load of a key. A result depends on its own head and keys alone.
 */
#include <stdlib.h>

#include "forward-parts.h"
#include "fma.h"

enum { HEADS = 4, KEYS = 2 };

/* Dot products of `heads` consecutive rows of q with `keys` rows. */
V4_INLINE void dots(const float *q, const float *const *key, size_t dim, float result[HEADS][KEYS], const int heads,
                    const int keys) {
  vf sum[HEADS][KEYS];
  V4_UNROLL for (int h = 0; h < heads; h++)
    V4_UNROLL for (int j = 0; j < keys; j++) sum[h][j] = vf_set(0.0f);
  size_t d = 0;
  for (; d + LANES <= dim; d += LANES) {
    vf k[KEYS];
    V4_UNROLL for (int j = 0; j < keys; j++) k[j] = vf_load(key[j] + d);
    V4_UNROLL for (int h = 0; h < heads; h++) {
      const vf a = vf_load(q + (size_t)h * dim + d);
      V4_UNROLL for (int j = 0; j < keys; j++) sum[h][j] = vf_fma(a, k[j], sum[h][j]);
    }
  }
  V4_UNROLL for (int h = 0; h < heads; h++)
    V4_UNROLL for (int j = 0; j < keys; j++) {
      result[h][j] = vf_sum(sum[h][j]);
      for (size_t i = d; i < dim; i++) result[h][j] += q[(size_t)h * dim + i] * key[j][i];
    }
}

/* out[h] = sum over keys of p[h] key, VECTORS vectors of the head at a time. */
V4_INLINE void weighted_sum(const struct attention_job *job, const float *p, const float *total, float *out,
                            const int heads) {
  enum { VECTORS = 2 };
  size_t d = 0;
  for (; d + VECTORS * LANES <= job->dim; d += VECTORS * LANES) {
    vf sum[HEADS][VECTORS];
    V4_UNROLL for (int h = 0; h < heads; h++)
      V4_UNROLL for (int v = 0; v < VECTORS; v++) sum[h][v] = vf_set(0.0f);
    for (size_t j = 0; j < job->count; j++) {
      const float *key = job->keys + (size_t)job->index[j] * job->dim + d;
      V4_UNROLL for (int h = 0; h < heads; h++) {
        const vf weight = vf_set(p[(size_t)h * job->count + j]);
        V4_UNROLL for (int v = 0; v < VECTORS; v++) sum[h][v] = vf_fma(weight, vf_load(key + v * LANES), sum[h][v]);
      }
    }
    V4_UNROLL for (int h = 0; h < heads; h++)
      V4_UNROLL for (int v = 0; v < VECTORS; v++)
        vf_store(out + (size_t)h * job->dim + d + v * LANES, sum[h][v] / vf_set(total[h]));
  }
  for (; d < job->dim; d++)
    for (int h = 0; h < heads; h++) {
      float sum = 0.0f;
      for (size_t j = 0; j < job->count; j++)
        sum += p[(size_t)h * job->count + j] * job->keys[(size_t)job->index[j] * job->dim + d];
      out[(size_t)h * job->dim + d] = sum / total[h];
    }
}

V4_INLINE void attend_heads(const struct attention_job *job, size_t head, float *p, const int heads) {
  const float *q = job->q + head * job->dim;
  float total[HEADS], dot[HEADS][KEYS];
  for (size_t j = 0; j < job->count; j += KEYS) {
    const int two = j + 1 < job->count;
    const float *const key[KEYS] = {job->keys + (size_t)job->index[j] * job->dim,
                                    job->keys + (size_t)job->index[two ? j + 1 : j] * job->dim};
    dots(q, key, job->dim, dot, heads, KEYS);
    for (int h = 0; h < heads; h++)
      for (int i = 0; i <= two; i++) p[(size_t)h * job->count + j + (size_t)i] = dot[h][i] * job->scale;
  }
  for (int h = 0; h < heads; h++)
    total[h] = exponentials(p + (size_t)h * job->count, job->count, job->sinks ? job->sinks + head + h : NULL);
  weighted_sum(job, p, total, job->out + head * job->dim, heads);
}

int V4(attend)(const struct attention_job *job) {
  float *p = malloc(HEADS * job->count * sizeof *p + 1);
  if (!p) return 0;
  for (size_t head = 0; head < job->heads; head += HEADS) switch (job->heads - head) {
      case 1: attend_heads(job, head, p, 1); break;
      case 2: attend_heads(job, head, p, 2); break;
      case 3: attend_heads(job, head, p, 3); break;
      default: attend_heads(job, head, p, HEADS);
    }
  free(p);
  return 1;
}

/* out[j] = sum over heads, in order, of weights[h] max(0, q[h] . keys[j]). */
void V4(index_scores)(const float *q, const float *weights, const float *keys, size_t heads, size_t dim, size_t count,
                      float *out) {
  for (size_t j = 0; j < count; j += KEYS) {
    const int two = j + 1 < count;
    const float *const key[KEYS] = {keys + j * dim, keys + (two ? j + 1 : j) * dim};
    float score[KEYS] = {0.0f, 0.0f}, dot[HEADS][KEYS];
    for (size_t head = 0; head < heads; head += HEADS) {
      const size_t some = heads - head < HEADS ? heads - head : HEADS;
      if (some == HEADS)
        dots(q + head * dim, key, dim, dot, HEADS, KEYS);
      else
        for (size_t h = 0; h < some; h++) dots(q + (head + h) * dim, key, dim, dot + h, 1, KEYS);
      for (size_t h = 0; h < some; h++)
        for (int i = 0; i < KEYS; i++) score[i] += weights[head + h] * (dot[h][i] > 0.0f ? dot[h][i] : 0.0f);
    }
    for (int i = 0; i <= two; i++) out[j + (size_t)i] = score[i];
  }
}
