/* mxfp4. Twin and description of the search: scalar/mxfp4.ts. */
#include "set.h"
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "fp4.h"
#include "kernels.h"

enum { LENGTH = 32, BYTES = 17 };

ptrdiff_t V4(decode_mxfp4)(const uint8_t *src, float *dst, size_t blocks) {
  for (size_t b = 0; b < blocks; b++, src += BYTES, dst += LENGTH) {
    if (src[0] == 255) return (ptrdiff_t)b;
    const b16 packed = b16_load(src + 1);
    b16_scale(b16_lookup(E2M1_DOUBLED, packed & 15), e8m0_half(src[0]), dst);
    b16_scale(b16_lookup(E2M1_DOUBLED, packed >> 4), e8m0_half(src[0]), dst + 16);
  }
  return V4_OK;
}

/* 2^n for -127 <= n <= 127, per lane. */
V4_INLINE vf power_of_two(vi n) {
  const vi field = n + 127;
  return vi_as_float(vi_select(vi_lt(vi_set(0), field), field << 23, vi_set(0x400000)));
}

static void encode_batch(const struct batch *batch) {
  float x[LENGTH * LANES], w[LENGTH * LANES];
  lanes_transpose(batch->src, LENGTH, x);
  const int weighted = batch->importance[0] != NULL;
  if (weighted) lanes_transpose(batch->importance, LENGTH, w);

  vf peak = vf_set(0.0f);
  for (int i = 0; i < LENGTH; i++) peak = vf_max(peak, vf_abs(vf_load(x + i * LANES)));
  /* Exponent field - 2 is floor(log2(peak)) - 2 biased; a subnormal peak clamps to 0 like its own exponent would. */
  const vi middle = vi_shr(vf_bits(peak), 23) - 2;

  vf best_error = vf_set(INFINITY);
  vi best = vi_set(0);
  for (int candidate = 0; candidate < 3; candidate++) {
    const vi e = vi_clamp(middle + (candidate == 1 ? -1 : candidate == 2 ? 1 : 0), vi_set(0), vi_set(254));
    const vf scale = power_of_two(e - 127), inverse = power_of_two(127 - e);
    vf error = vf_set(0.0f);
    for (int i = 0; i < LENGTH; i++) {
      const vf a = vf_abs(vf_load(x + i * LANES));
      const vf difference = e2m1_round(a * inverse) * scale - a;
      const vf square = difference * difference;
      error = error + (weighted ? vf_load(w + i * LANES) * square : square);
    }
    const vm better = vf_lt(error, best_error);
    best_error = vf_select(better, error, best_error);
    best = vi_select(better, e, best);
  }
  best = vi_select(vf_lt(vf_set(0.0f), peak), best, vi_set(0));

  const vf inverse = power_of_two(127 - best);
  vi code[LENGTH];
  for (int i = 0; i < LENGTH; i++) {
    const vf v = vf_load(x + i * LANES);
    code[i] = e2m1_code(e2m1_round(vf_abs(v) * inverse)) | (vi_select(vf_lt(v, vf_set(0.0f)), vi_set(8), vi_set(0)));
  }
  vi words[4];
  for (int k = 0; k < 4; k++) {
    words[k] = vi_set(0);
    for (int i = 0; i < 4; i++) words[k] |= (code[4 * k + i] | code[16 + 4 * k + i] << 4) << (8 * i);
  }
  lanes_put_byte(batch, 0, best);
  lanes_put_words(batch, 1, words, 4);
}

void V4(encode_mxfp4)(const struct encode_job *job, size_t begin, size_t end) {
  encode_batches(job, begin, end, LENGTH, BYTES, encode_batch);
}
