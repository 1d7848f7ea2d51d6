/* int4 groups of compressed-tensors. Twin and description of the search: scalar/int4.ts. */
#include "vec.h"

#include "bytes.h"
#include "formats.h"
#include "groups.h"
#include "half.h"
#include "safetensors-set.h"

/* Scales tried, in eightieths of the one that spans the group. */
static const uint8_t EIGHTIETHS[] = {80, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74,
                                     75, 76, 77, 78, 79, 81, 82, 83, 84, 85, 86};

struct search {
  const float *x, *w; /* transposed; w may be NULL */
  size_t group;
  int f16;
  vf scale, zero_point, error;
};

V4_INLINE vi narrow(vf a, int f16) { return f16 ? vf_to_half(a) : vf_to_bf16(a); }

/* A scale as it will be read back. */
V4_INLINE vf stored(vf scale, int f16) {
  const vi half = narrow(scale, f16);
  return f16 ? vf_from_half(half) : vf_from_bf16(half);
}

V4_INLINE vf inverse_of(vf scale) { return vf_inverse_if(vf_lt(vf_set(0.0f), scale), scale); }

/* Distance from the zero point, in steps. */
V4_INLINE vf steps_of(vf x, vf inverse, vf zero_point) {
  return vf_round(vf_clamp(x * inverse, vf_set(0.0f) - zero_point, vf_set(15.0f) - zero_point));
}

V4_INLINE void try_scale(struct search *search, vf scale, vf zero_point) {
  const vf inverse = inverse_of(scale);
  vf error = vf_set(0.0f);
  for (size_t i = 0; i < search->group; i++) {
    const vf x = vf_load(search->x + i * LANES);
    const vf difference = steps_of(x, inverse, zero_point) * scale - x;
    const vf square = difference * difference;
    error = error + (search->w ? vf_load(search->w + i * LANES) * square : square);
  }
  const vm better = vf_lt(error, search->error);
  search->scale = vf_select(better, scale, search->scale);
  search->zero_point = vf_select(better, zero_point, search->zero_point);
  search->error = vf_select(better, error, search->error);
}

V4_INLINE vf least_squares(const struct search *search) {
  const vf inverse = inverse_of(search->scale);
  vf product = vf_set(0.0f), square = vf_set(0.0f);
  for (size_t i = 0; i < search->group; i++) {
    const vf x = vf_load(search->x + i * LANES);
    const vf steps = steps_of(x, inverse, search->zero_point);
    const vf weighted = search->w ? vf_load(search->w + i * LANES) * steps : steps;
    product = product + weighted * x;
    square = square + weighted * steps;
  }
  const vm some = vf_lt(vf_set(0.0f), square);
  return vf_select(some, product / vf_select(some, square, vf_set(1.0f)), vf_set(0.0f));
}

V4_INLINE void search_groups(struct search *search, vf low, vf high, int asymmetric) {
  const int f16 = search->f16;
  const vf span = asymmetric ? high - low : vf_max(high, vf_set(0.0f) - low);
  const vm zero = vf_lt(span, vf_set(f16 ? TINY : BF16_SCALE_TINY));
  const vf base = span / vf_set(asymmetric ? 15.0f : 7.5f);
  const vf middle = (low + high) * 0.5f;
  for (size_t k = 0; k < sizeof EIGHTIETHS; k++) {
    const vf scale = stored(base * vf_set((float)EIGHTIETHS[k] / 80.0f), f16);
    if (!asymmetric) {
      try_scale(search, scale, vf_set(8.0f));
      continue;
    }
    const vf shift = middle * inverse_of(scale);
    const vf centre = vf_round(vf_clamp(vf_set(7.5f) - shift, vf_set(0.0f), vf_set(15.0f)));
    for (int s = 0; s < 3; s++) {
      const vf step = vf_set(s == 1 ? -1.0f : s == 2 ? 1.0f : 0.0f);
      try_scale(search, scale, vf_clamp(centre + step, vf_set(0.0f), vf_set(15.0f)));
    }
  }
  for (int i = 0; i < 2; i++) try_scale(search, stored(least_squares(search), f16), search->zero_point);
  search->scale = vf_select(zero, vf_set(0.0f), search->scale);
  search->zero_point = vf_select(zero, vf_set(8.0f), search->zero_point);
}

/* LANES groups, or fewer at the end; V4_OK or the position of a value that is too large. */
V4_INLINE ptrdiff_t encode_batch(const float *src, const struct int4_matrix *dst, size_t first, size_t count,
                                 const float *importance, size_t group, int asymmetric) {
  const size_t row_groups = dst->row_length / group;
  float x[MAX_GROUP * LANES], w[MAX_GROUP * LANES];
  lanes_take_groups(src, group, first, count, SIZE_MAX, x);
  if (importance) lanes_take_groups(importance, group, first, count, row_groups, w);

  vf low = vf_set(0.0f), high = vf_set(0.0f);
  const ptrdiff_t position = lanes_range(src + first * group, x, group, dst->f16 ? F16_MAX : BF16_SCALE_MAX, &low, &high);
  if (position != V4_OK) return (ptrdiff_t)(first * group) + position;

  struct search search = {.x = x, .w = importance ? w : NULL, .group = group, .f16 = dst->f16,
                          .scale = vf_set(0.0f), .zero_point = vf_set(8.0f), .error = vf_set(INFINITY)};
  search_groups(&search, low, high, asymmetric);

  const vf inverse = inverse_of(search.scale);
  int32_t word[LANES], zero_point[LANES];
  for (size_t i = 0; i < group; i += 8) {
    vi packed = vi_set(0);
    for (int k = 0; k < 8; k++) {
      const vf steps = steps_of(vf_load(x + (i + (size_t)k) * LANES), inverse, search.zero_point);
      packed |= vi_round(steps + search.zero_point) << (4 * k);
    }
    vi_store(word, packed);
    for (size_t lane = 0; lane < count; lane++) memcpy(dst->packed + ((first + lane) * group + i) / 2, &word[lane], 4);
  }
  /* A scale of 0 has only codes of 0: 1 says the same. */
  const vf scale = vf_select(vf_lt(vf_set(0.0f), search.scale), search.scale, vf_set(1.0f));
  vi_store(word, narrow(scale, dst->f16));
  vi_store(zero_point, vi_round(search.zero_point));
  for (size_t lane = 0; lane < count; lane++) {
    const size_t k = first + lane, row = k / row_groups, g = k % row_groups;
    memcpy(dst->scales + 2 * k, &word[lane], 2);
    if (asymmetric)
      dst->zero_points[4 * (row / 8 * row_groups + g) + (row & 7) / 2] |= (uint8_t)(zero_point[lane] << (4 * (row & 1)));
  }
  return V4_OK;
}

V4_INLINE ptrdiff_t encode(const float *src, const struct int4_matrix *dst, const float *importance, int asymmetric) {
  const size_t groups = dst->rows * (dst->row_length / dst->group);
  for (size_t first = 0; first < groups; first += LANES) {
    const size_t count = groups - first < LANES ? groups - first : LANES;
    const ptrdiff_t position = encode_batch(src, dst, first, count, importance, dst->group, asymmetric);
    if (position != V4_OK) return position;
  }
  return V4_OK;
}

ptrdiff_t V4(encode_int4)(const float *src, const struct int4_matrix *dst, const float *importance) {
  if (!dst->zero_points) return importance ? encode(src, dst, importance, 0) : encode(src, dst, NULL, 0);
  memset(dst->zero_points, 0, 4 * ((dst->rows + 7) / 8) * (dst->row_length / dst->group));
  return importance ? encode(src, dst, importance, 1) : encode(src, dst, NULL, 1);
}

ptrdiff_t V4(decode_int4)(const struct int4_matrix *src, float *dst) {
  const size_t group = src->group, row_groups = src->row_length / group;
  const uint8_t *packed = src->packed;
  for (size_t k = 0; k < src->rows * row_groups; k++, packed += group / 2, dst += group) {
    const uint8_t *half = src->scales + 2 * k;
    const uint32_t bits = (uint32_t)half[0] << 16 | (uint32_t)half[1] << 24;
    float scale;
    memcpy(&scale, &bits, 4);
    if (src->f16) scale = half_load(half);
    if (!isfinite(scale)) return (ptrdiff_t)k;
    const size_t row = k / row_groups, at = 4 * (row / 8 * row_groups + k % row_groups) + (row & 7) / 2;
    const uint8_t zero_point = src->zero_points ? src->zero_points[at] >> (4 * (row & 1)) & 15 : 8;
    for (size_t i = 0; i < group; i += 32) {
      const b16 codes = b16_load(packed + i / 2), even = (codes & 15) - zero_point, odd = (codes >> 4) - zero_point;
      b16_scale(b16_zip_low(even, odd), scale, dst + i);
      b16_scale(b16_zip_high(even, odd), scale, dst + i + 16);
    }
  }
  return V4_OK;
}
