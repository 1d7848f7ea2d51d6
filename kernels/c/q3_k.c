/* q3_K. Twin, layout and description: scalar/q3_k.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "half.h"
#include "keep-energy.h"
#include "kernels.h"
#include "symmetric.h"

enum { LENGTH = 256, BYTES = 110, SUB_LENGTH = 16, SUB_BLOCKS = 16 };

static const struct symmetric_traits SEARCH = {
    .nmax = 4,
    .sweeps = 1,
    .codes = {{4.1f,3.7f,3.3f,4.5f}},
    .refine = {1.0f, 0.93f, 1.07f, 1.15f},
};

static const struct symmetric_traits SCALE_SEARCH = {
    .nmax = 32,
    .sweeps = 1,
    .codes = {{32.0f, 31.5f, 31.0f, 32.5f}},
    .refine = {1.0f, 0.99f, 1.01f, 1.02f},
};

/* The sixteen 6-bit scales as bytes: low nibbles in eight bytes, then their high bit pairs in four. */
V4_INLINE b16 unpack_scales(const uint8_t *src) {
  uint32_t in[3], out[4];
  b16 scales;
  memcpy(in, src, sizeof in);
  for (int k = 0; k < 4; k++)
    out[k] = (in[k % 2] >> (4 * (k / 2)) & 0x0f0f0f0f) | (in[2] >> (2 * k) & 0x03030303) << 4;
  memcpy(&scales, out, sizeof scales);
  return scales;
}

ptrdiff_t V4(decode_q3_K)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES, dst += LENGTH) {
    float scale[SUB_BLOCKS];
    b16_scale(unpack_scales(src + 96) - 32, half_load(src + 108), scale);
    for (int k = 0; k < 4; k++) { /* sub-blocks j, j + 2, j + 4, j + 6 share sixteen bytes */
      const int half = k / 2, l = SUB_LENGTH * (k % 2), j = 8 * half + k % 2;
      const b16 low = b16_load(src + 32 + 32 * half + l);
      const b16 mask = half ? b16_load(src + l) >> 4 : b16_load(src + l);
      float *at = dst + SUB_LENGTH * j;
      b16_scale(((low & 3) | (mask & 1) << 2) - 4, scale[j], at);
      b16_scale(((low >> 2 & 3) | (mask & 2) << 1) - 4, scale[j + 2], at + 32);
      b16_scale(((low >> 4 & 3) | (mask & 4)) - 4, scale[j + 4], at + 64);
      b16_scale((low >> 6 | (mask & 8) >> 1) - 4, scale[j + 6], at + 96);
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

  float scales[SUB_BLOCKS * LANES], sums[SUB_BLOCKS * LANES];
  for (int j = 0; j < SUB_BLOCKS; j++) {
    const int at = j * SUB_LENGTH * LANES;
    vf_store(scales + j * LANES, symmetric_fit(x + at, weighted ? w + at : NULL, SUB_LENGTH, &SEARCH));
    if (!weighted) continue;
    vf sum = zero;
    for (int i = 0; i < SUB_LENGTH; i++) sum = sum + vf_load(w + at + i * LANES);
    vf_store(sums + j * LANES, sum);
  }
  const vi bits = vi_select(empty, vi_set(0), vf_to_half(symmetric_fit(scales, weighted ? sums : NULL, SUB_BLOCKS, &SCALE_SEARCH)));
  const vf d = vf_from_half(bits);
  const vf inverse_d = vf_inverse_if(vf_gt(vf_abs(d), zero), d);

  vf energy = zero, kept = zero;
  vi words[27];
  for (int k = 0; k < 27; k++) words[k] = vi_set(0);
  for (int j = 0; j < SUB_BLOCKS; j++) {
    vi code = symmetric_code(vf_load(scales + j * LANES), inverse_d, 32);
    const int at = j * SUB_LENGTH * LANES;
    if (weighted) code = symmetric_rechoose(x + at, w + at, SUB_LENGTH, 4, d, code, 32);
    const vi stored = code + 32;
    words[24 + j % 8 / 4] |= (stored & 15) << (8 * (j % 4) + (j < 8 ? 0 : 4));
    words[26] |= (stored >> 4) << (8 * (j % 4) + 2 * (j / 4));
    const vf scale = d * vf_from_int(code);
    const vf inverse = vf_inverse_if(vf_gt(vf_abs(scale), zero), scale);
    const int half = j / 8, shift = j / 2 % 4;
    for (int k = 0; k < 4; k++) { /* four consecutive elements at a time */
      const int l = 4 * (j % 2) + k;
      vi low = vi_set(0), high = vi_set(0);
      for (int i = 0; i < 4; i++) {
        const int element = (16 * j + 4 * k + i) * LANES;
        const vf value = vf_load(x + element), weight = weighted ? vf_load(w + element) : zero;
        const vi level = symmetric_code(value, inverse, 4);
        const vf y = scale * vf_from_int(level);
        energy = energy + (weighted ? weight * value * value : value * value);
        kept = kept + (weighted ? weight * y * y : y * y);
        const vi q = level + 4;
        low |= (q & 3) << (8 * i);
        high |= (q >> 2) << (8 * i);
      }
      words[8 + 8 * half + l] |= low << (2 * shift);
      words[l] |= high << (4 * half + shift);
    }
  }
  for (int k = 0; k < 27; k++) words[k] = vi_select(empty, vi_set(0), words[k]);
  lanes_put_words(batch, 0, words, 27);
  lanes_put_half(batch, 108, vi_select(empty, vi_set(0), vf_to_half(d * keep_energy(energy, kept))));
}

static void encode_batch(const struct batch *batch) {
  if (batch->importance[0])
    encode(batch, 1);
  else
    encode(batch, 0);
}

void V4(encode_q3_K)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}
