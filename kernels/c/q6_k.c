/* q6_K. Twin, layout and description: scalar/q6_k.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "half.h"
#include "kernels.h"
#include "symmetric.h"

enum { LENGTH = 256, BYTES = 210, SUB_LENGTH = 16, SUB_BLOCKS = 16 };

static const struct symmetric_traits SEARCH = {
    .nmax = 32,
    .sweeps = 1,
    .codes = {{32.0f, 31.5f, 31.0f, 32.5f}},
    .refine = {1.0f, 0.99f, 1.01f, 1.02f},
};

ptrdiff_t V4(decode_q6_K)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES, dst += LENGTH) {
    float scale[SUB_BLOCKS];
    b16_scale(b16_load(src + 192), half_load(src + 208), scale);
    for (int k = 0; k < 4; k++) { /* sub-blocks j, j + 2, j + 4, j + 6 share sixteen bytes of high bits */
      const int half = k / 2, l = SUB_LENGTH * (k % 2), j = 8 * half + k % 2;
      const b16 low0 = b16_load(src + 64 * half + l), low1 = b16_load(src + 64 * half + 32 + l);
      const b16 high = b16_load(src + 128 + 32 * half + l);
      float *at = dst + SUB_LENGTH * j;
      b16_scale(((low0 & 15) | (high & 3) << 4) - 32, scale[j], at);
      b16_scale(((low1 & 15) | (high & 12) << 2) - 32, scale[j + 2], at + 32);
      b16_scale((low0 >> 4 | (high & 48)) - 32, scale[j + 4], at + 64);
      b16_scale((low1 >> 4 | (high & 192) >> 2) - 32, scale[j + 6], at + 96);
    }
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

  vf scales[SUB_BLOCKS], extreme = zero;
  for (int j = 0; j < SUB_BLOCKS; j++) {
    const int at = j * SUB_LENGTH * LANES;
    scales[j] = symmetric_fit(x + at, weighted ? w + at : NULL, SUB_LENGTH, &SEARCH);
    extreme = vf_select(vf_gt(vf_abs(scales[j]), vf_abs(extreme)), scales[j], extreme);
  }
  const vi bits = vi_select(empty, vi_set(0), vf_to_half(extreme * (-1.0f / 128)));
  const vf d = vf_from_half(bits);
  const vf inverse_d = vf_inverse_if(vf_gt(vf_abs(d), zero), d);

  vi code[SUB_BLOCKS];
  vf inverse[SUB_BLOCKS];
  for (int j = 0; j < SUB_BLOCKS; j++) {
    code[j] = symmetric_code(scales[j], inverse_d, 128);
    const vf scale = d * vf_from_int(code[j]);
    inverse[j] = vf_inverse_if(vf_gt(vf_abs(scale), zero), scale);
  }
  vi words[52];
  for (int k = 0; k < 52; k++) words[k] = vi_set(0);
  for (int k = 0; k < 4; k++)
    for (int i = 0; i < 4; i++) words[48 + k] |= (code[4 * k + i] & 255) << (8 * i);
  for (int k = 0; k < 64; k++) { /* four consecutive elements at a time */
    const int half = k / 32, quarter = k / 8 % 4, l = k % 8;
    vi low = vi_set(0), high = vi_set(0);
    for (int i = 0; i < 4; i++) {
      const vi q = symmetric_code(vf_load(x + (4 * k + i) * LANES), inverse[k / 4], 32) + 32;
      low |= (q & 15) << (8 * i);
      high |= (q >> 4) << (8 * i);
    }
    words[16 * half + 8 * (quarter % 2) + l] |= low << (quarter < 2 ? 0 : 4);
    words[32 + 8 * half + l] |= high << (2 * quarter);
  }
  for (int k = 0; k < 52; k++) words[k] = vi_select(empty, vi_set(0), words[k]);
  lanes_put_words(batch, 0, words, 52);
  lanes_put_half(batch, 208, bits);
}

static void encode_batch(const struct batch *batch) {
  if (batch->importance[0])
    encode(batch, 1);
  else
    encode(batch, 0);
}

void V4(encode_q6_K)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}
