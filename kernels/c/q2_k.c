/* q2_K. Twin and layout: scalar/q2_k.ts. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "affine.h"
#include "half.h"
#include "kernels.h"

enum { BYTES = 84, WORDS = BYTES / 4 };

static const struct affine_traits TRAITS = {
    .sub_length = 16,
    .scale_max = 15,
    .qmax = 3,
    .sweeps = 3,
    .plain_sweeps = 2,
    .codes = {{2.1f, 2.58f, 3.06f, 3.54f}, {2.34f, 2.82f, 3.3f, 3.78f}, {2.22f, 2.7f, 3.18f, 3.66f}},
    .refine = {1.0f, 0.93f, 1.07f, 1.15f},
};

ptrdiff_t V4(decode_q2_K)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src + 80), dmin = half_load(src + 82);
    for (int j = 0; j < 16; j++, dst += 16) {
      const uint8_t *codes = src + 16 + 32 * (j / 8) + 16 * (j % 2);
      const int shift = 2 * (j / 2 % 4);
      const float scale = d * (float)(src[j] & 15), minimum = dmin * (float)(src[j] >> 4);
      for (int i = 0; i < 16; i++) dst[i] = scale * (float)(codes[i] >> shift & 3) - minimum;
    }
  }
  return V4_OK;
}

static void encode_batch(const struct batch *batch) {
  struct affine_block block;
  affine_encode(batch, &TRAITS, &block);
  vi words[WORDS];
  for (int k = 0; k < 4; k++) {
    words[k] = vi_set(0);
    for (int i = 0; i < 4; i++) words[k] |= (block.scales[4 * k + i] | block.mins[4 * k + i] << 4) << (8 * i);
  }
  for (int k = 0; k < 16; k++) { /* qs: half k / 8 of the block, bytes 4 (k mod 8) .. + 3 of it */
    vi word = vi_set(0);
    for (int s = 0; s < 4; s++) {
      const int first = 128 * (k / 8) + 32 * s + 4 * (k % 8);
      for (int i = 0; i < 4; i++) word |= affine_code(&block, first + i, first / 16, 3) << (8 * i + 2 * s);
    }
    words[4 + k] = word;
  }
  words[20] = block.d | block.dmin << 16;
  affine_put_words(batch, &block, words, WORDS);
}

void V4(encode_q2_K)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, SUPER_BLOCK, BYTES, encode_batch);
}
