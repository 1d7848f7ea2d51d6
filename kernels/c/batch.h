/*
 * How blocks reach the lanes. An encoder is written for one batch of LANES blocks; `encode_batches` walks a
 * range of blocks and calls it. The last batch repeats the last block in its spare lanes and drops their bytes.
 */
#include "set.h"

enum { MAX_BLOCK_BYTES = 256 };

struct batch {
  const float *src[LANES];
  const float *importance[LANES];
  uint8_t *dst[LANES];
};

/* `encode` is a compile-time constant in every caller, so it is inlined. Blocks begin <= k < end. */
V4_INLINE void encode_batches(const struct encode_job *job, size_t begin, size_t end, size_t block_length,
                              size_t block_bytes, void (*encode)(const struct batch *)) {
  uint8_t dropped[MAX_BLOCK_BYTES];
  for (size_t first = begin; first < end; first += LANES) {
    struct batch batch;
    for (size_t lane = 0; lane < LANES; lane++) {
      int spare = first + lane >= end;
      size_t k = spare ? end - 1 : first + lane;
      batch.src[lane] = job->src + k * block_length;
      batch.importance[lane] = job->importance ? job->importance + (k % job->row_blocks) * block_length : NULL;
      batch.dst[lane] = spare ? dropped : job->dst + k * block_bytes;
    }
    encode(&batch);
  }
}

/* Stores `count` little-endian 32-bit words per lane at byte `at` of each lane's block. */
V4_INLINE void lanes_put_words(const struct batch *batch, size_t at, const vi *words, int count) {
  for (int k = 0; k < count; k++) {
    int32_t word[LANES];
    vi_store(word, words[k]);
    for (int lane = 0; lane < LANES; lane++) memcpy(batch->dst[lane] + at + 4 * k, &word[lane], 4);
  }
}

/* Stores the low 16 bits (an f16, usually) of each lane at byte `at`. */
V4_INLINE void lanes_put_half(const struct batch *batch, size_t at, vi half) {
  int32_t word[LANES];
  vi_store(word, half);
  for (int lane = 0; lane < LANES; lane++) memcpy(batch->dst[lane] + at, &word[lane], 2);
}

/* Stores the low 8 bits of each lane at byte `at`. */
V4_INLINE void lanes_put_byte(const struct batch *batch, size_t at, vi byte) {
  int32_t word[LANES];
  vi_store(word, byte);
  for (int lane = 0; lane < LANES; lane++) batch->dst[lane][at] = (uint8_t)word[lane];
}
