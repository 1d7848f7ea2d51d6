/* iq4_nl. Twin, layout and description: scalar/iq4_nl.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "half.h"
#include "iq4.h"
#include "kernels.h"

enum { LENGTH = 32, BYTES = 18 };

ptrdiff_t V4(decode_iq4_nl)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES, dst += LENGTH) {
    const float d = half_load(src);
    const b16 codes = b16_load(src + 2);
    b16_scale(b16_lookup(IQ4_LEVELS, codes & 15), d, dst);
    b16_scale(b16_lookup(IQ4_LEVELS, codes >> 4), d, dst + 16);
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
  const vi bits = vi_select(empty, vi_set(0), vf_to_half(iq4_fit(x, weighted ? w : NULL, LENGTH)));
  const vf d = vf_from_half(bits);
  vi words[4];
  iq4_pack(x, vf_inverse_if(vf_gt(vf_abs(d), zero), d), words);
  for (int k = 0; k < 4; k++) words[k] = vi_select(empty, vi_set(0), words[k]);
  lanes_put_half(batch, 0, bits);
  lanes_put_words(batch, 2, words, 4);
}

static void encode_batch(const struct batch *batch) {
  if (batch->importance[0])
    encode(batch, 1);
  else
    encode(batch, 0);
}

void V4(encode_iq4_nl)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}
