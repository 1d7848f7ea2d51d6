/* NVFP4 as ModelOpt stores it, from packed FP4 and from f32. Twin: scalar/nvfp4-modelopt.ts. */
#include "vec.h"

#include "bytes.h"
#include "nvfp4.h"
#include "safetensors-set.h"
#include "vec-lookup.h"

enum { GROUP = NVFP4_GROUP, CODE_BYTES = GROUP / 2 };

/* Above this, in units of scale2, a value is refused: 448 * 6 and a little for the rounding of scale2. */
#define LARGEST 2689.0f

static const float E2M1[16] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f,
                               0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

/* Whether a group of sixteen has a code other than 0 and -0. */
V4_INLINE int any_nonzero(const uint8_t *codes) {
  uint64_t packed;
  memcpy(&packed, codes, 8);
  return (packed & 0x7777777777777777u) != 0;
}

ptrdiff_t V4(scan_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, uint8_t span[2]) {
  uint8_t least = span[0], greatest = span[1];
  ptrdiff_t position = V4_OK;
  for (size_t g = 0; g < groups; g++, codes += group / 2) {
    const uint8_t e = scales[g];
    if (e == 255) {
      position = (ptrdiff_t)g;
      break;
    }
    if (e >= least && e <= greatest) continue;
    for (size_t i = 0; i < group / 2; i += CODE_BYTES)
      if (any_nonzero(codes + i)) {
        least = e < least ? e : least;
        greatest = e > greatest ? e : greatest;
        break;
      }
  }
  span[0] = least;
  span[1] = greatest;
  return position;
}

/* Scale codes, and the codes as two words, of one group per lane; x is transposed and in units of scale2. */
V4_INLINE vi encode_lanes(const float *x, const float *w, int weighted, vi words[2]) {
  const vi scale = nvfp4_best_scale(x, w, weighted, 1);
  vi q[GROUP];
  nvfp4_codes(x, scale, q);
  for (int half = 0; half < 2; half++) {
    words[half] = vi_set(0);
    for (int i = 0; i < 8; i++) words[half] |= q[8 * half + i] << (4 * i);
  }
  return scale;
}

/* One group that no power of two holds: searched in lane 0. Returns whether a value changed. */
static int search_group(const uint8_t *codes, int power, uint8_t *dst_codes, uint8_t *dst_scale) {
  /* Beyond these bounds every value saturates, or vanishes, all the same; within them squares are finite. */
  const float unit = ldexpf(1.0f, power < -60 ? -60 : power > 40 ? 40 : power);
  float x[GROUP * LANES], units[GROUP];
  for (int i = 0; i < GROUP; i++) {
    units[i] = E2M1[codes[i / 2] >> (4 * (i & 1)) & 15] * unit;
    for (int lane = 0; lane < LANES; lane++) x[i * LANES + lane] = units[i];
  }
  vi words[2];
  int32_t word[LANES], value[LANES];
  const vi scale = encode_lanes(x, NULL, 0, words);
  for (int half = 0; half < 2; half++) {
    vi_store(word, words[half]);
    memcpy(dst_codes + 4 * half, word, 4);
  }
  vi_store(word, scale);
  *dst_scale = (uint8_t)word[0];
  vi_store(value, vf_bits(e4m3_value(scale)));
  float step;
  memcpy(&step, value, 4);
  int changed = 0;
  for (int i = 0; i < GROUP; i++) changed |= E2M1[dst_codes[i / 2] >> (4 * (i & 1)) & 15] * step != units[i];
  return changed;
}

ptrdiff_t V4(fp4_to_nvfp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, int exponent,
                           uint8_t *dst_codes, uint8_t *dst_scales, uint32_t *changed) {
  const size_t parts = group / GROUP;
  for (size_t g = 0; g < groups; g++) {
    if (scales[g] == 255) return (ptrdiff_t)g;
    const int power = scales[g] - 127 - exponent;
    const int exact = power >= -9 && power <= 8;
    const int held = power < -9 ? -9 : power > 8 ? 8 : power;
    const uint8_t scale = (uint8_t)(held >= -6 ? (held + 7) << 3 : 1 << (held + 9));
    for (size_t part = 0; part < parts; part++, codes += CODE_BYTES, dst_codes += CODE_BYTES, dst_scales++) {
      if (exact || !any_nonzero(codes)) {
        memcpy(dst_codes, codes, CODE_BYTES);
        *dst_scales = scale;
      } else {
        *changed += (uint32_t)search_group(codes, power, dst_codes, dst_scales);
      }
    }
  }
  return V4_OK;
}

V4_INLINE ptrdiff_t encode_groups(const float *src, size_t groups, float scale2, uint8_t *dst_codes,
                                  uint8_t *dst_scales, size_t row_length, const float *importance) {
  const size_t row_groups = row_length / GROUP;
  for (size_t first = 0; first < groups; first += LANES) {
    const float *values[LANES], *weights[LANES];
    const size_t count = groups - first < LANES ? groups - first : LANES;
    for (size_t lane = 0; lane < LANES; lane++) {
      const size_t k = first + (lane < count ? lane : count - 1);
      values[lane] = src + k * GROUP;
      if (importance) weights[lane] = importance + k % row_groups * GROUP;
    }
    float x[GROUP * LANES], w[GROUP * LANES];
    lanes_transpose(values, GROUP, x);
    if (importance) lanes_transpose(weights, GROUP, w);
    vm held = vf_le(vf_set(0.0f), vf_set(0.0f));
    for (int i = 0; i < GROUP; i++) {
      const vf unit = vf_load(x + i * LANES) / vf_set(scale2);
      held = vm_and(held, vf_le(vf_abs(unit), vf_set(LARGEST)));
      vf_store(x + i * LANES, unit);
    }
    if (vm_any(vm_andnot(vf_le(vf_set(0.0f), vf_set(0.0f)), held)))
      for (size_t i = first * GROUP;; i++)
        if (!(fabsf(src[i] / scale2) <= LARGEST)) return (ptrdiff_t)i;
    vi words[2];
    int32_t scale[LANES], word[2][LANES];
    vi_store(scale, encode_lanes(x, w, importance != NULL, words));
    for (int half = 0; half < 2; half++) vi_store(word[half], words[half]);
    for (size_t lane = 0; lane < count; lane++) {
      dst_scales[first + lane] = (uint8_t)scale[lane];
      for (int half = 0; half < 2; half++)
        memcpy(dst_codes + (first + lane) * CODE_BYTES + 4 * half, &word[half][lane], 4);
    }
  }
  return V4_OK;
}

ptrdiff_t V4(encode_nvfp4_groups)(const float *src, size_t groups, float scale2, uint8_t *dst_codes,
                                  uint8_t *dst_scales, size_t row_length, const float *importance) {
  if (importance) return encode_groups(src, groups, scale2, dst_codes, dst_scales, row_length, importance);
  return encode_groups(src, groups, scale2, dst_codes, dst_scales, row_length, NULL);
}

ptrdiff_t V4(decode_nvfp4_groups)(const uint8_t *codes, const uint8_t *scales, size_t groups, float scale2, float *dst) {
  float values[256];
  for (int code = 0; code < 256; code += LANES) {
    int32_t rest[LANES], sign[LANES];
    for (int lane = 0; lane < LANES; lane++) rest[lane] = (code + lane) & 127, sign[lane] = (code + lane) & 128;
    vf_store(values + code, vi_as_float(vf_bits(e4m3_value(vi_load(rest))) | vi_load(sign) << 24));
  }
  for (size_t g = 0; g < groups; g++, codes += CODE_BYTES, dst += GROUP) {
    if ((scales[g] & 127) == 127) return (ptrdiff_t)g;
    const float scale = values[scales[g]] * scale2;
    uint8_t q[16] = {0};
    memcpy(q, codes, CODE_BYTES);
    const b16 packed = b16_load(q);
    b16_store(q, b16_zip_low(packed & 15, packed >> 4));
    for (int i = 0; i < GROUP; i += LANES) {
      /* The sign goes in after the product: code 8 is -0. */
      const vi wide = vi_load_u8(q + i);
      const vf y = vf_lookup8(E2M1, wide) * vf_set(scale);
      vf_store(dst + i, vi_as_float(vf_bits(y) ^ (wide & 8) << 28));
    }
  }
  return V4_OK;
}
