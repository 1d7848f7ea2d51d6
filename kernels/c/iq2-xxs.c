/* iq2_xxs. Twin: scalar/iq2-xxs.ts; the search: scalar/codebook-encode.ts. */
#include "set.h"
#include "vec.h"

#include "codebook-iq2-xxs.h"

enum { GROUP_LENGTH = 32, EVEN_SIGNS = 1, SCALE_FROM_PEAK = 0 };
static const float FACTORS[] = {0.186f, 0.26f, 0.35f};

#include "codebook.h"

enum { BYTES = 66 };

static void encode_batch(const struct batch *batch) {
  struct codebook_block block;
  encode_lanes(batch, &block);
  vi words[16];
  for (int g = 0; g < GROUPS; g++) {
    words[2 * g] = four_bytes(block.entries + 4 * g);
    vi a = block.scales[g] << 28;
    for (int k = 0; k < 4; k++) a = a | (block.signs[4 * g + k] & 127) << (7 * k);
    words[2 * g + 1] = a;
  }
  lanes_put_half(batch, 0, block.d);
  lanes_put_words(batch, 2, words, 16);
}

void V4(encode_iq2_xxs)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}

ptrdiff_t V4(decode_iq2_xxs)(const uint8_t *src, float *dst, size_t blocks) {
  pthread_once(&tables_once, fill_tables);
  for (size_t b = 0; b < blocks; b++, src += BYTES) {
    const float d = half_load(src);
    for (int g = 0; g < GROUPS; g++) {
      const uint8_t *entries = src + 2 + 8 * g;
      uint32_t a;
      memcpy(&a, entries + 4, 4);
      const float scale = d * (float)(2 * (a >> 28) + 1);
      for (int k = 0; k < 4; k += 2, dst += 16) {
        const unsigned index[2] = {entries[k], entries[k + 1]};
        const unsigned signs = even_signs((a >> (7 * k)) & 127) | even_signs((a >> (7 * k + 7)) & 127) << 8;
        expand_entries(index, signs, scale, dst);
      }
    }
  }
  return V4_OK;
}
