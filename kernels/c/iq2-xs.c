/* iq2_xs. Twin: scalar/iq2-xs.ts; the search: scalar/codebook-encode.ts. */
#include "set.h"
#include "vec.h"

#include "codebook-iq2-xs.h"

enum { GROUP_LENGTH = 16, EVEN_SIGNS = 1, SCALE_FROM_PEAK = 0 };
static const float FACTORS[] = {0.186f, 0.25f, 0.32f, 0.41f};

#include "codebook.h"

enum { BYTES = 74 };

static void encode_batch(const struct batch *batch) {
  struct codebook_block block;
  encode_lanes(batch, &block);
  vi words[18];
  for (int k = 0; k < 16; k++) {
    const vi low = block.entries[2 * k] | (block.signs[2 * k] & 127) << 9;
    const vi high = block.entries[2 * k + 1] | (block.signs[2 * k + 1] & 127) << 9;
    words[k] = low | high << 16;
  }
  for (int k = 0; k < 2; k++) words[16 + k] = eight_nibbles(block.scales + 8 * k);
  lanes_put_half(batch, 0, block.d);
  lanes_put_words(batch, 2, words, 18);
}

void V4(encode_iq2_xs)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}

ptrdiff_t V4(decode_iq2_xs)(const uint8_t *src, float *dst, size_t blocks) {
  pthread_once(&tables_once, fill_tables);
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src);
    for (int k = 0; k < GROUPS; k++, dst += GROUP_LENGTH) {
      uint16_t q[2];
      memcpy(q, src + 2 + 4 * k, 4);
      const unsigned index[2] = {q[0] & 511, q[1] & 511};
      const int s = (src[66 + k / 2] >> (4 * (k % 2))) & 15;
      expand_entries(index, even_signs(q[0] >> 9) | even_signs(q[1] >> 9) << 8, d * (float)(2 * s + 1), dst);
    }
  }
  return V4_OK;
}
