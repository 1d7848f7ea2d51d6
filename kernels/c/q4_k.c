/* q4_K. Twin and layout: scalar/q4_k.ts. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "affine.h"
#include "half.h"
#include "kernels.h"
#include "scales6.h"

enum { BYTES = 144, WORDS = BYTES / 4 };

static const struct affine_traits TRAITS = {
    .sub_length = 32,
    .scale_max = 63,
    .qmax = 15,
    .sweeps = 3,
    .plain_sweeps = 3,
    .codes = {{14.0f, 14.54f, 15.08f, 15.62f}, {14.18f, 14.72f, 15.26f, 15.8f}, {14.36f, 14.9f, 15.44f, 15.98f}},
    .refine = {1.0f, 0.98f, 1.02f, 1.04f},
};

ptrdiff_t V4(decode_q4_K)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src), dmin = half_load(src + 2);
    uint8_t scales[8], mins[8];
    scales6_unpack(src + 4, scales, mins);
    const uint8_t *codes = src + 16;
    for (int j = 0; j < 8; j += 2, codes += 32, dst += 64) {
      const float scale0 = d * (float)scales[j], min0 = dmin * (float)mins[j];
      const float scale1 = d * (float)scales[j + 1], min1 = dmin * (float)mins[j + 1];
      for (int i = 0; i < 32; i++) dst[i] = scale0 * (float)(codes[i] & 15) - min0;
      for (int i = 0; i < 32; i++) dst[32 + i] = scale1 * (float)(codes[i] >> 4) - min1;
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
  for (int k = 0; k < 32; k++) {
    const int first = 64 * (k / 8) + 4 * (k % 8), j = 2 * (k / 8);
    vi word = vi_set(0);
    for (int i = 0; i < 4; i++) {
      word |= affine_code(&block, first + i, j, 15) << (8 * i);
      word |= affine_code(&block, first + 32 + i, j + 1, 15) << (8 * i + 4);
    }
    words[4 + k] = word;
  }
  affine_put_words(batch, &block, words, WORDS);
}

void V4(encode_q4_K)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, SUPER_BLOCK, BYTES, encode_batch);
}
