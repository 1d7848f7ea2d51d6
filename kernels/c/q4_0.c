/* q4_0. Twin, layout and description: scalar/q4_0.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "half.h"
#include "kernels.h"
#include "symmetric.h"

enum { LENGTH = 32, BYTES = 18 };

static const int8_t LEVELS[16] = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};

static const struct symmetric_traits SEARCH = {
    .nmax = 8,
    .sweeps = 1,
    .codes = {{8.0f, 7.5f, 7.0f, 8.5f}},
    .refine = {1.0f, 0.97f, 1.03f, 1.06f},
};

ptrdiff_t V4(decode_q4_0)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES, dst += LENGTH) {
    const float d = half_load(src);
    const b16 codes = b16_load(src + 2);
    b16_scale(b16_lookup(LEVELS, codes & 15), d, dst);
    b16_scale(b16_lookup(LEVELS, codes >> 4), d, dst + 16);
  }
  return V4_OK;
}

V4_INLINE void encode(const struct batch *batch, int weighted) {
  float x[LENGTH * LANES], w[LENGTH * LANES];
  const vf zero = vf_set(0.0f);
  lanes_transpose(batch->src, LENGTH, x);
  if (weighted) lanes_transpose(batch->importance, LENGTH, w);
  vf peak = zero;
  for (int i = 0; i < LENGTH; i++) peak = vf_max(vf_abs(vf_load(x + i * LANES)), peak);
  const vm empty = vf_lt(peak, vf_set(TINY));
  const vi bits = vi_select(empty, vi_set(0), vf_to_half(symmetric_fit(x, weighted ? w : NULL, LENGTH, &SEARCH)));
  const vf d = vf_from_half(bits);
  const vf inverse = vf_inverse_if(vf_gt(vf_abs(d), zero), d);
  vi words[4];
  for (int k = 0; k < 4; k++) {
    words[k] = vi_set(0);
    for (int i = 0; i < 4; i++) {
      const vi low = symmetric_code(vf_load(x + (4 * k + i) * LANES), inverse, 8) + 8;
      const vi high = symmetric_code(vf_load(x + (16 + 4 * k + i) * LANES), inverse, 8) + 8;
      words[k] |= (low | high << 4) << (8 * i);
    }
    words[k] = vi_select(empty, vi_set(0), words[k]);
  }
  lanes_put_half(batch, 0, bits);
  lanes_put_words(batch, 2, words, 4);
}

static void encode_batch(const struct batch *batch) {
  if (batch->importance[0])
    encode(batch, 1);
  else
    encode(batch, 0);
}

void V4(encode_q4_0)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}
