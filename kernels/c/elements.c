/* f32, f16, bf16. Twin: scalar/elements.ts. One element per lane; the tail goes through a padded vector. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "kernels.h"

ptrdiff_t V4(decode_f32)(const uint8_t *src, float *dst, size_t blocks) {
  memcpy(dst, src, blocks * 4);
  return V4_OK;
}

void V4(encode_f32)(const struct encode_job *job, size_t begin, size_t end) {
  memcpy(job->dst + 4 * begin, job->src + begin, 4 * (end - begin));
}

/* LANES 16-bit elements, widened. */
V4_INLINE vi load_halves(const uint8_t *src) {
  uint16_t half[LANES];
  int32_t word[LANES];
  memcpy(half, src, sizeof half);
  for (int i = 0; i < LANES; i++) word[i] = half[i];
  return vi_load(word);
}

V4_INLINE void store_halves(uint8_t *dst, vi halves) {
  int32_t word[LANES];
  uint16_t half[LANES];
  vi_store(word, halves);
  for (int i = 0; i < LANES; i++) half[i] = (uint16_t)word[i];
  memcpy(dst, half, sizeof half);
}

V4_INLINE void decode_halves(const uint8_t *src, float *dst, size_t count, vf (*widen)(vi)) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) vf_store(dst + i, widen(load_halves(src + 2 * i)));
  if (i < count) {
    uint8_t in[2 * LANES] = {0};
    float out[LANES];
    memcpy(in, src + 2 * i, 2 * (count - i));
    vf_store(out, widen(load_halves(in)));
    memcpy(dst + i, out, 4 * (count - i));
  }
}

V4_INLINE void encode_halves(const float *src, uint8_t *dst, size_t count, vi (*narrow)(vf)) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) store_halves(dst + 2 * i, narrow(vf_load(src + i)));
  if (i < count) {
    float in[LANES] = {0};
    uint8_t out[2 * LANES];
    memcpy(in, src + i, 4 * (count - i));
    store_halves(out, narrow(vf_load(in)));
    memcpy(dst + 2 * i, out, 2 * (count - i));
  }
}

ptrdiff_t V4(decode_f16)(const uint8_t *src, float *dst, size_t blocks) {
  decode_halves(src, dst, blocks, vf_from_half);
  return V4_OK;
}

ptrdiff_t V4(decode_bf16)(const uint8_t *src, float *dst, size_t blocks) {
  decode_halves(src, dst, blocks, vf_from_bf16);
  return V4_OK;
}

void V4(encode_f16)(const struct encode_job *job, size_t begin, size_t end) {
  encode_halves(job->src + begin, job->dst + 2 * begin, end - begin, vf_to_half);
}

void V4(encode_bf16)(const struct encode_job *job, size_t begin, size_t end) {
  encode_halves(job->src + begin, job->dst + 2 * begin, end - begin, vf_to_bf16);
}
