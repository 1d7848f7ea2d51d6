/*
 * q8_0. Twin: scalar/q8_0.ts. No search and no sum, so nothing depends on an order: lanes may be elements of
 * one block, and decoding is a plain loop that the compiler vectorises. Both stay near the memory's speed.
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

/* Half away from zero. Adding the float just below a half, not a half: 0.49999997 + 0.5 would round up to 1. */
V4_INLINE vi round_away(vf x) {
  const vi sign = vf_bits(x) & INT32_MIN;
  return vi_trunc(x + vi_as_float(sign | vf_bits(vf_set(0x1.fffffep-2f))));
}

/*
 * LANES blocks at a time, so that their divisions are one division: the lanes are elements of one block for the
 * maximum and for the codes, and blocks for d in between. Blocks from `count` on do not exist.
 */
V4_INLINE void encode_blocks(const float *src, uint8_t *dst, size_t count) {
  float peaks[LANES * LANES], transposed[LANES * LANES], inverse[LANES];
  const float *rows[LANES];
  int32_t halves[LANES];
  for (size_t b = 0; b < LANES; b++) {
    rows[b] = peaks + b * LANES;
    vi peak = vi_set(0); /* magnitudes compare as integers, and a compiler may vectorise an integer maximum */
    if (b < count)
      for (int i = 0; i < LENGTH; i += LANES) peak = vi_max(vf_bits(vf_load(src + b * LENGTH + i)) & INT32_MAX, peak);
    vf_store(peaks + b * LANES, vi_as_float(peak));
  }
  lanes_transpose(rows, LANES, transposed);
  vf peak = vf_load(transposed);
  for (int i = 1; i < LANES; i++) peak = vf_max(vf_load(transposed + i * LANES), peak);
  const vf d = peak / vf_set(127.0f);
  vf_store(inverse, vf_inverse_if(vf_le(vf_set(TINY), peak), d));
  vi_store(halves, vf_to_half(d));
  for (size_t b = 0; b < count; b++, src += LENGTH, dst += BYTES) {
    memcpy(dst, &halves[b], 2);
    for (int i = 0; i < LENGTH; i += LANES)
      vi_store_i8(dst + 2 + i, round_away(vf_load(src + i) * vf_set(inverse[b])));
  }
}

void V4(encode_q8_0)(const struct encode_job *job, size_t begin, size_t end) {
  size_t first = begin;
  for (; first + LANES <= end; first += LANES)
    encode_blocks(job->src + first * LENGTH, job->dst + first * BYTES, LANES);
  if (first < end) encode_blocks(job->src + first * LENGTH, job->dst + first * BYTES, end - first);
}
