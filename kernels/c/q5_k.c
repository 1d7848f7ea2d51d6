/* q5_K. Twin and layout: scalar/q5_k.ts. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "affine.h"
#include "half.h"
#include "kernels.h"
#include "scales6.h"

enum { BYTES = 176, WORDS = BYTES / 4 };

static const struct affine_traits TRAITS = {
    .sub_length = 32,
    .scale_max = 63,
    .qmax = 31,
    .sweeps = 2,
    .plain_sweeps = 2,
    .codes = {{30.0f, 30.5f, 31.0f, 31.5f}, {30.25f, 30.75f, 31.25f, 31.75f}},
    .refine = {1.0f, 0.99f, 1.01f, 1.02f},
};

ptrdiff_t V4(decode_q5_K)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src), dmin = half_load(src + 2);
    uint8_t scales[8], mins[8];
    scales6_unpack(src + 4, scales, mins);
    const uint8_t *high = src + 16, *codes = src + 48;
    for (int j = 0; j < 8; j += 2, codes += 32, dst += 64) {
      const float scale0 = d * (float)scales[j], min0 = dmin * (float)mins[j];
      const float scale1 = d * (float)scales[j + 1], min1 = dmin * (float)mins[j + 1];
      for (int i = 0; i < 32; i++) {
        const int q0 = (codes[i] & 15) | ((high[i] >> j) & 1) << 4;
        const int q1 = (codes[i] >> 4) | ((high[i] >> (j + 1)) & 1) << 4;
        dst[i] = scale0 * (float)q0 - min0;
        dst[32 + i] = scale1 * (float)q1 - min1;
      }
    }
  }
  return V4_OK;
}

static void encode_batch(const struct batch *batch) {
  struct affine_block block;
  affine_encode(batch, &TRAITS, &block);
  vi words[WORDS];
  words[0] = block.d | block.dmin << 16;
  scales6_pack(block.scales, block.mins, words + 1);
  for (int k = 0; k < 8; k++) words[4 + k] = vi_set(0);
  for (int k = 0; k < 32; k++) {
    const int first = 64 * (k / 8) + 4 * (k % 8), j = 2 * (k / 8);
    vi low = vi_set(0), high = words[4 + k % 8];
    for (int i = 0; i < 4; i++) {
      const vi q0 = affine_code(&block, first + i, j, 31), q1 = affine_code(&block, first + 32 + i, j + 1, 31);
      low |= (q0 & 15) << (8 * i) | (q1 & 15) << (8 * i + 4);
      high |= (q0 >> 4) << (8 * i + j) | (q1 >> 4) << (8 * i + j + 1);
    }
    words[12 + k] = low;
    words[4 + k % 8] = high;
  }
  affine_put_words(batch, &block, words, WORDS);
}

void V4(encode_q5_K)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, SUPER_BLOCK, BYTES, encode_batch);
}
