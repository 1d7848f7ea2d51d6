/* Affine groups of MLX. Twin and description of the search: scalar/mlx-affine.ts. */
#include "vec.h"

#include "bytes.h"
#include "groups.h"
#include "safetensors-set.h"

/* Steps tried, in 128ths of the one that spans the group, and where its middle goes, in 16ths of a step. */
static const uint8_t STEPS_4[] = {132, 130, 128, 125, 123, 121, 119, 117, 115, 113, 110, 108, 106, 104, 102, 100};
static const int8_t PLACES_4[] = {-8, 2, -4, 6, 0, -7, 3, -3, 7, 1, -5, 5, -1, -7, 2, -4};
static const uint8_t STEPS_8[] = {136, 135, 133, 132, 131, 130, 129, 128};
static const int8_t PLACES_8[] = {-8, 2, -4, 6, 0, -7, 3, -3};

static const float AROUND[] = {1.0f, 1.0f + 3.0f / 512, 1.0f - 3.0f / 512};

#define SCALE_TINY 0x1p-120f

struct search {
  const float *x, *w; /* transposed; w may be NULL */
  size_t group;
  float top; /* the greatest code */
  vf scale, bias, error;
};

/* A number as it will be read back. */
V4_INLINE vf stored(vf a) { return vf_from_bf16(vf_to_bf16(a)); }

V4_INLINE vm invertible(vf scale) { return vf_gt(vf_abs(scale), vf_set(SCALE_TINY)); }

V4_INLINE vf inverse_of(vf scale) { return vf_inverse_if(invertible(scale), scale); }

V4_INLINE vf code_of(vf x, vf inverse, vf bias, float top) {
  return vf_round(vf_clamp((x - bias) * inverse, vf_set(0.0f), vf_set(top)));
}

V4_INLINE void try_line(struct search *search, vf any_scale, vf any_bias) {
  const vf scale = stored(any_scale), bias = stored(any_bias), inverse = inverse_of(scale);
  vf error = vf_set(0.0f);
  for (size_t i = 0; i < search->group; i++) {
    const vf x = vf_load(search->x + i * LANES);
    const vf difference = code_of(x, inverse, bias, search->top) * scale + bias - x;
    const vf square = difference * difference;
    error = error + (search->w ? vf_load(search->w + i * LANES) * square : square);
  }
  const vm better = vf_lt(error, search->error);
  search->scale = vf_select(better, scale, search->scale);
  search->bias = vf_select(better, bias, search->bias);
  search->error = vf_select(better, error, search->error);
}

V4_INLINE void refit(struct search *search) {
  const vf scale = search->scale, bias = search->bias, inverse = inverse_of(scale), one = vf_set(1.0f);
  vf w = vf_set(0.0f), wq = w, wqq = w, wr = w, wqr = w;
  for (size_t i = 0; i < search->group; i++) {
    const vf x = vf_load(search->x + i * LANES);
    const vf code = code_of(x, inverse, bias, search->top);
    const vf rest = x - (code * scale + bias);
    const vf weight = search->w ? vf_load(search->w + i * LANES) : one;
    const vf weighted = weight * code;
    w = w + weight;
    wq = wq + weighted;
    wqq = wqq + weighted * code;
    wr = wr + weight * rest;
    wqr = wqr + weighted * rest;
  }
  const vf product = w * wqq, determinant = product - wq * wq;
  const vm regular = vf_gt(determinant, product * 1e-5f);
  const vf slope = (w * wqr - wq * wr) * vf_inverse_if(regular, determinant);
  const vf inverse_weight = one / w;
  for (int k = 0; k < 3; k++) {
    const vf next = stored((scale + slope) * vf_set(AROUND[k]));
    const vf mean = (wr - (next - scale) * wq) * inverse_weight;
    try_line(search, next, bias + mean);
  }
}

/* The least bf16 not below a value. */
V4_INLINE vf stored_above(vf a) {
  const vf nearest = stored(a);
  return vf_select(vf_lt(nearest, a), stored(a + vf_abs(a) * 0x1p-8f), nearest);
}

/* The smallest power of two not below a positive normal. */
V4_INLINE vf power_above(vf a) { return vi_as_float((vf_bits(a) + 0x7fffff) & 0x7f800000); }

V4_INLINE void search_groups(struct search *search, vf low, vf high, size_t bits) {
  const vf zero = vf_set(0.0f), one = vf_set(1.0f), top = vf_set(search->top);
  const vm zeros = vf_lt(vf_max(high, zero - low), vf_set(BF16_SCALE_TINY));
  const vf step = (high - low) / top;
  try_line(search, step, low);

  const vm from_low = vf_gt(zero - low, high), some = vf_gt(step, vf_set(SCALE_TINY));
  const vf edge = vf_select(from_low, low, high);
  const vf zero_code = vf_round(vf_min(vf_abs(edge) / vf_select(some, step, one), vf_set(0x1p21f)));
  const vf mlx_step = vf_abs(edge) / vf_max(zero_code, one);
  try_line(search, vf_select(some, vf_select(from_low, mlx_step, zero - mlx_step), zero), edge);

  const vf above = stored_above(high);
  try_line(search, (low - above) / top, above);
  try_line(search, power_above(step), low);

  const vf middle = (low + high) * 0.5f;
  const uint8_t *steps = bits == 8 ? STEPS_8 : STEPS_4;
  const int8_t *places = bits == 8 ? PLACES_8 : PLACES_4;
  for (size_t k = 0; k < (bits == 8 ? sizeof STEPS_8 : sizeof STEPS_4); k++) {
    const vf scale = stored(step * vf_set((float)steps[k] / 128));
    try_line(search, scale, middle - scale * vf_set(search->top / 2 + (float)places[k] / 16));
  }
  refit(search);
  refit(search);
  search->scale = vf_select(zeros, zero, search->scale);
  search->bias = vf_select(zeros, zero, search->bias);
}

/* LANES groups, or fewer at the end; V4_OK or the position of a value that is too large. */
V4_INLINE ptrdiff_t encode_batch(const float *src, const struct mlx_matrix *dst, size_t first, size_t count,
                                 const float *importance, size_t group, size_t bits) {
  float x[MAX_GROUP * LANES], w[MAX_GROUP * LANES];
  lanes_take_groups(src, group, first, count, SIZE_MAX, x);
  if (importance) lanes_take_groups(importance, group, first, count, dst->row_length / group, w);
  vf low = vf_set(INFINITY), high = vf_set(-INFINITY);
  const ptrdiff_t position = lanes_range(src + first * group, x, group, BF16_SCALE_MAX, &low, &high);
  if (position != V4_OK) return (ptrdiff_t)(first * group) + position;

  struct search search = {.x = x, .w = importance ? w : NULL, .group = group, .top = bits == 8 ? 255.0f : 15.0f,
                          .scale = vf_set(0.0f), .bias = vf_set(0.0f), .error = vf_set(INFINITY)};
  search_groups(&search, low, high, bits);

  const vf inverse = inverse_of(search.scale);
  const size_t per_word = 32 / bits;
  int32_t word[LANES], bias[LANES];
  for (size_t i = 0; i < group; i += per_word) {
    vi packed = vi_set(0);
    for (size_t k = 0; k < per_word; k++) {
      const vf code = code_of(vf_load(x + (i + k) * LANES), inverse, search.bias, search.top);
      packed |= vi_round(code) << (int)(bits * k);
    }
    vi_store(word, packed);
    for (size_t lane = 0; lane < count; lane++)
      memcpy(dst->packed + ((first + lane) * group + i) * bits / 8, &word[lane], 4);
  }
  /* A scale without inverse has only codes of 0: 1 says the same. No bias of -0. */
  vi_store(word, vf_to_bf16(vf_select(invertible(search.scale), search.scale, vf_set(1.0f))));
  vi_store(bias, vf_to_bf16(search.bias + vf_set(0.0f)));
  for (size_t lane = 0; lane < count; lane++) {
    memcpy(dst->scales + 2 * (first + lane), &word[lane], 2);
    memcpy(dst->biases + 2 * (first + lane), &bias[lane], 2);
  }
  return V4_OK;
}

V4_INLINE ptrdiff_t encode(const float *src, const struct mlx_matrix *dst, const float *importance, size_t bits) {
  const size_t groups = dst->rows * (dst->row_length / dst->group);
  for (size_t first = 0; first < groups; first += LANES) {
    const size_t count = groups - first < LANES ? groups - first : LANES;
    const ptrdiff_t position = encode_batch(src, dst, first, count, importance, dst->group, bits);
    if (position != V4_OK) return position;
  }
  return V4_OK;
}

ptrdiff_t V4(encode_mlx_affine)(const float *src, const struct mlx_matrix *dst, const float *importance) {
  if (dst->bits == 8) return importance ? encode(src, dst, importance, 8) : encode(src, dst, NULL, 8);
  return importance ? encode(src, dst, importance, 4) : encode(src, dst, NULL, 4);
}

V4_INLINE float bf16_load(const uint8_t *p) {
  const uint32_t word = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
  float value;
  memcpy(&value, &word, 4);
  return value;
}

ptrdiff_t V4(decode_mlx_affine)(const struct mlx_matrix *src, float *dst) {
  const size_t group = src->group, groups = src->rows * (src->row_length / group);
  const uint8_t *packed = src->packed;
  for (size_t k = 0; k < groups; k++, packed += group * src->bits / 8, dst += group) {
    const float scale = bf16_load(src->scales + 2 * k), bias = bf16_load(src->biases + 2 * k);
    if (!isfinite(scale) || !isfinite(bias)) return (ptrdiff_t)k;
    if (src->bits == 8) {
      for (size_t i = 0; i < group; i += LANES)
        vf_store(dst + i, vf_from_int(vi_load_u8(packed + i)) * vf_set(scale) + vf_set(bias));
      continue;
    }
    for (size_t i = 0; i < group; i += 32) {
      const b16 codes = b16_load(packed + i / 2), even = codes & 15, odd = codes >> 4;
      b16_scale_add(b16_zip_low(even, odd), scale, bias, dst + i);
      b16_scale_add(b16_zip_high(even, odd), scale, bias, dst + i + 16);
    }
  }
  return V4_OK;
}
