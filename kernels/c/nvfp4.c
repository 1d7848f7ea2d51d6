/* nvfp4 in ggml's order. Twin, layout and description: scalar/nvfp4.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "fp4.h"
#include "kernels.h"
#include "nvfp4.h"

enum { LENGTH = 64, BYTES = 36, GROUP = NVFP4_GROUP, GROUPS = 4 };

/* Half the value of a scale byte, to go with doubled codes; the top bit is not looked at, 7F is 0, FF 480. */
static float scale_half(uint8_t byte) {
  const uint32_t code = byte & 127, bits = (code << 20) + (119u << 23);
  if (byte == 0x7f) return 0.0f;
  if (code < 8) return (float)code * 0x1p-10f;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

ptrdiff_t V4(decode_nvfp4)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES)
    for (int k = 0; k < GROUPS; k += 2, dst += 2 * GROUP) { /* eight bytes a group: its elements 0-7 low, 8-15 high */
      const b16 packed = b16_load(src + 4 + 8 * k);
      const b16 low = b16_lookup(E2M1_DOUBLED, packed & 15), high = b16_lookup(E2M1_DOUBLED, packed >> 4);
      b16_scale(b16_join_low(low, high), scale_half(src[k]), dst);
      b16_scale(b16_join_high(low, high), scale_half(src[k + 1]), dst + GROUP);
    }
  return V4_OK;
}

V4_INLINE void encode(const struct batch *batch, int weighted) {
  float x[LENGTH * LANES], w[LENGTH * LANES];
  lanes_transpose(batch->src, LENGTH, x);
  if (weighted) lanes_transpose(batch->importance, LENGTH, w);
  vi words[BYTES / 4];
  words[0] = vi_set(0);
  for (int k = 0; k < GROUPS; k++) {
    const float *xk = x + k * GROUP * LANES;
    const vi code = nvfp4_best_scale(xk, w + k * GROUP * LANES, weighted, 0);
    words[0] |= code << (8 * k);
    vi q[GROUP];
    nvfp4_codes(xk, code, q);
    for (int half = 0; half < 2; half++) {
      vi word = vi_set(0);
      for (int i = 0; i < 4; i++) word |= (q[4 * half + i] | q[8 + 4 * half + i] << 4) << (8 * i);
      words[1 + 2 * k + half] = word;
    }
  }
  lanes_put_words(batch, 0, words, BYTES / 4);
}

static void encode_batch(const struct batch *batch) {
  if (batch->importance[0])
    encode(batch, 1);
  else
    encode(batch, 0);
}

void V4(encode_nvfp4)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}
