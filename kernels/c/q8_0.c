/*
 * q8_0. Twin: scalar/q8_0.ts. No search and no sum, so nothing depends on an order: plain loops over one
 * block, which the compiler vectorises, give the same bytes and stay near the memory's speed.
 */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "half.h"
#include "kernels.h"

enum { LENGTH = 32, BYTES = 34 };

ptrdiff_t V4(decode_q8_0)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES, dst += LENGTH) {
    const float d = half_load(src);
    const int8_t *q = (const int8_t *)src + 2;
    for (int i = 0; i < LENGTH; i++) dst[i] = d * (float)q[i];
  }
  return V4_OK;
}

void V4(encode_q8_0)(const struct encode_job *job, size_t begin, size_t end) {
  const float *src = job->src + begin * LENGTH;
  uint8_t *dst = job->dst + begin * BYTES;
  for (size_t b = begin; b < end; b++, src += LENGTH, dst += BYTES) {
    int32_t peak_bits = 0; /* magnitudes compare as integers; an integer maximum vectorises, a float one may not */
    for (int i = 0; i < LENGTH; i++) {
      int32_t bits;
      memcpy(&bits, src + i, 4);
      bits &= 0x7fffffff;
      peak_bits = bits > peak_bits ? bits : peak_bits;
    }
    float peak;
    memcpy(&peak, &peak_bits, 4);
    const float d = peak / 127.0f;
    const float inverse = peak < TINY ? 0.0f : 1.0f / d;
    half_store(dst, d);
    for (int i = 0; i < LENGTH; i++) {
      /* Half away from zero without an inexact sum: scaled + 0.5f would round 0.49999997 up to 1. */
      const float scaled = src[i] * inverse;
      const int32_t whole = (int32_t)scaled;
      const float rest = scaled - (float)whole;
      dst[2 + i] = (uint8_t)(whole + (rest >= 0.5f) - (rest <= -0.5f));
    }
  }
}
