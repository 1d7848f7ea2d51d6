/* iq2_s. Twin: scalar/iq2-s.ts; the search: scalar/codebook-encode.ts. */
#include "set.h"
#include "vec.h"

#include "codebook-iq2-s.h"

enum { GROUP_LENGTH = 16, EVEN_SIGNS = 0, SCALE_FROM_PEAK = 0 };
static const float FACTORS[] = {0.186f, 0.26f, 0.35f};

#include "codebook.h"

enum { BYTES = 82 };

static void encode_batch(const struct batch *batch) {
  struct codebook_block block;
  encode_lanes(batch, &block);
  vi words[20];
  for (int k = 0; k < 8; k++) {
    vi low[4];
    for (int i = 0; i < 4; i++) low[i] = block.entries[4 * k + i] & 255;
    words[k] = four_bytes(low);
    words[8 + k] = four_bytes(block.signs + 4 * k);
  }
  for (int k = 0; k < 2; k++) {
    vi high = vi_set(0);
    for (int i = 0; i < 16; i++) high = high | vi_shr(block.entries[16 * k + i], 8) << (2 * i);
    words[16 + k] = high;
    words[18 + k] = eight_nibbles(block.scales + 8 * k);
  }
  lanes_put_half(batch, 0, block.d);
  lanes_put_words(batch, 2, words, 20);
}

void V4(encode_iq2_s)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}

ptrdiff_t V4(decode_iq2_s)(const uint8_t *src, float *dst, size_t blocks) {
  pthread_once(&tables_once, fill_tables);
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src);
    for (int k = 0; k < GROUPS; k++, dst += GROUP_LENGTH) {
      const unsigned high = src[66 + k / 2] >> (4 * (k % 2));
      const unsigned index[2] = {src[2 + 2 * k] | (high & 3) << 8, src[3 + 2 * k] | (high >> 2 & 3) << 8};
      const unsigned signs = src[34 + 2 * k] | (unsigned)src[35 + 2 * k] << 8;
      const int s = (src[74 + k / 2] >> (4 * (k % 2))) & 15;
      expand_entries(index, signs, d * (float)(2 * s + 1), dst);
    }
  }
  return V4_OK;
}
