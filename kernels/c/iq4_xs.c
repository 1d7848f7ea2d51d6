/* iq4_xs. Twin, layout and description: scalar/iq4_xs.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "half.h"
#include "iq4.h"
#include "kernels.h"
#include "symmetric.h"

enum { LENGTH = 256, BYTES = 136, SUB_LENGTH = 32, SUB_BLOCKS = 8 };

static const struct symmetric_traits SCALE_SEARCH = {
    .nmax = 32,
    .sweeps = 1,
    .codes = {{32.0f, 31.5f, 31.0f, 32.5f}},
    .refine = {1.0f, 0.99f, 1.01f, 1.02f},
};

ptrdiff_t V4(decode_iq4_xs)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src);
    const int high = src[2] | src[3] << 8;
    for (int j = 0; j < SUB_BLOCKS; j++, dst += SUB_LENGTH) {
      const int scale = (src[4 + j / 2] >> (4 * (j % 2)) & 15) | (high >> (2 * j) & 3) << 4;
      const b16 codes = b16_load(src + 8 + 16 * j);
      b16_scale(b16_lookup(IQ4_LEVELS, codes & 15), d * (float)(scale - 32), dst);
      b16_scale(b16_lookup(IQ4_LEVELS, codes >> 4), d * (float)(scale - 32), dst + 16);
    }
  }
  return V4_OK;
}

V4_INLINE void encode(const struct batch *batch, int weighted) {
  float x[LENGTH * LANES], w[LENGTH * LANES], scales[SUB_BLOCKS * LANES], sums[SUB_BLOCKS * LANES];
  const vf zero = vf_set(0.0f);
  lanes_transpose(batch->src, LENGTH, x);
  if (weighted) lanes_transpose(batch->importance, LENGTH, w);
  vf peak = zero;
  for (int i = 0; i < LENGTH; i++) peak = vf_max(vf_abs(vf_load(x + i * LANES)), peak);
  const vm empty = vf_lt(peak, vf_set(TINY));

  for (int j = 0; j < SUB_BLOCKS; j++) {
    const int at = j * SUB_LENGTH * LANES;
    vf_store(scales + j * LANES, iq4_fit(x + at, weighted ? w + at : NULL, SUB_LENGTH));
    if (!weighted) continue;
    vf sum = zero;
    for (int i = 0; i < SUB_LENGTH; i++) sum = sum + vf_load(w + at + i * LANES);
    vf_store(sums + j * LANES, sum);
  }
  const vf fitted = symmetric_fit(scales, weighted ? sums : NULL, SUB_BLOCKS, &SCALE_SEARCH);
  const vi bits = vi_select(empty, vi_set(0), vf_to_half(fitted));
  const vf d = vf_from_half(bits);
  const vf inverse_d = vf_inverse_if(vf_gt(vf_abs(d), zero), d);

  vi words[34], high = vi_set(0);
  words[1] = vi_set(0);
  for (int j = 0; j < SUB_BLOCKS; j++) {
    const vi code = symmetric_code(vf_load(scales + j * LANES), inverse_d, 32);
    const vi stored = code + 32;
    words[1] |= (stored & 15) << (4 * j);
    high |= stored >> 4 << (2 * j);
    const vf scale = d * vf_from_int(code);
    iq4_pack(x + j * SUB_LENGTH * LANES, vf_inverse_if(vf_gt(vf_abs(scale), zero), scale), words + 2 + 4 * j);
  }
  words[0] = bits | high << 16;
  for (int k = 0; k < 34; k++) words[k] = vi_select(empty, vi_set(0), words[k]);
  lanes_put_words(batch, 0, words, 34);
}

static void encode_batch(const struct batch *batch) {
  if (batch->importance[0])
    encode(batch, 1);
  else
    encode(batch, 0);
}

void V4(encode_iq4_xs)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}
