/* q2_K. Twin and layout: scalar/q2_k.ts. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "affine.h"
#include "bytes.h"
#include "half.h"
#include "kernels.h"

enum { BYTES = 84, WORDS = BYTES / 4 };

static const struct affine_traits TRAITS = {
    .sub_length = 16,
    .scale_max = 15,
    .keeps_energy = 1,
    .qmax = 3,
    .sweeps = 3,
    .plain_sweeps = 2,
    .codes = {{2.1f, 2.58f, 3.06f, 3.54f}, {2.34f, 2.82f, 3.3f, 3.78f}, {2.22f, 2.7f, 3.18f, 3.66f}},
    .refine = {1.0f, 0.93f, 1.07f, 1.15f},
};

ptrdiff_t V4(decode_q2_K)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES, dst += SUPER_BLOCK) {
    float scale[16], offset[16];
    b16_scale(b16_load(src) & 15, half_load(src + 80), scale);
    b16_scale(b16_load(src) >> 4, -half_load(src + 82), offset);
    for (int k = 0; k < 4; k++) { /* sub-blocks j, j + 2, j + 4, j + 6 share sixteen bytes */
      const b16 codes = b16_load(src + 16 + 16 * k);
      const int j = 8 * (k / 2) + k % 2;
      float *at = dst + 16 * j;
      b16_scale_add(codes & 3, scale[j], offset[j], at);
      b16_scale_add(codes >> 2 & 3, scale[j + 2], offset[j + 2], at + 32);
      b16_scale_add(codes >> 4 & 3, scale[j + 4], offset[j + 4], at + 64);
      b16_scale_add(codes >> 6, scale[j + 6], offset[j + 6], at + 96);
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
