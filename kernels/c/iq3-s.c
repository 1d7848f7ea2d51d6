/* iq3_s. Twin: scalar/iq3-s.ts; the search: scalar/codebook-encode.ts. */
#include "set.h"
#include "vec.h"

#include "codebook-iq3-s.h"

enum { GROUP_LENGTH = 32, EVEN_SIGNS = 0, SCALE_FROM_PEAK = 1 };
static const float FACTORS[] = {1.0f / 14.0f, 1.0f / 16.0f};

#include "codebook.h"

enum { BYTES = 110 };

static void encode_batch(const struct batch *batch) {
  struct codebook_block block;
  encode_lanes(batch, &block);
  vi words[27];
  for (int k = 0; k < 16; k++) {
    vi low[4];
    for (int i = 0; i < 4; i++) low[i] = block.entries[4 * k + i] & 255;
    words[k] = four_bytes(low);
  }
  for (int k = 0; k < 2; k++) {
    vi high = vi_set(0);
    for (int i = 0; i < 32; i++) high = high | vi_shr(block.entries[32 * k + i], 8) << i;
    words[16 + k] = high;
  }
  for (int k = 0; k < 8; k++) words[18 + k] = four_bytes(block.signs + 4 * k);
  words[26] = eight_nibbles(block.scales);
  lanes_put_half(batch, 0, block.d);
  lanes_put_words(batch, 2, words, 27);
}

void V4(encode_iq3_s)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}

ptrdiff_t V4(decode_iq3_s)(const uint8_t *src, float *dst, size_t blocks) {
  pthread_once(&tables_once, fill_tables);
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src);
    for (int k = 0; k < LENGTH / 16; k++, dst += 16) {
      const unsigned high = src[66 + k / 2] >> (4 * (k % 2));
      unsigned index[4];
      for (int i = 0; i < 4; i++) index[i] = src[2 + 4 * k + i] | (high >> i & 1) << 8;
      const unsigned signs = src[74 + 2 * k] | (unsigned)src[75 + 2 * k] << 8;
      const int s = (src[106 + k / 4] >> (4 * (k / 2 % 2))) & 15;
      expand_entries(index, signs, d * (float)(2 * s + 1), dst);
    }
  }
  return V4_OK;
}
