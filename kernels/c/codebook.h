/*
 * The codebook encoder and decoder, included by each iq2 and iq3 format. Twin and description:
 * scalar/codebook-encode.ts, scalar/codebook-search.ts; step numbers and the order of operations are theirs.
 *
 * Before it, a format includes its generated codebook (CODES, MAGNITUDES, best_entry) and defines
 * GROUP_LENGTH, EVEN_SIGNS, SCALE_FROM_PEAK and FACTORS (see CodebookTraits).
 */
#include <pthread.h>

#include "bytes.h"
#include "formats.h"
#include "half.h"
#include "kernels.h"
#include "vec-lookup.h"

enum {
  LENGTH = 256,
  GROUPS = LENGTH / GROUP_LENGTH,
  ENTRY_SLOTS = LENGTH / ENTRY_LENGTH,
  GROUP_SLOTS = GROUP_LENGTH / ENTRY_LENGTH,
  IDENTITY_BITS = ENTRY_LENGTH == 8 ? 13 : 12,
  IDENTITIES = ENTRY_LENGTH == 8 ? 6561 : 4096,
};
#define COST_LIMIT (ENTRY_LENGTH == 8 ? 262000.0f : 524000.0f)
#define TOP (MAGNITUDES[RADIX - 1])

/*
 * By identity: an entry's levels, LEVEL_BITS each, in the low 16 bits; its index above. Filled at first use:
 * a constructor would run this set's instructions on machines that do not have them.
 */
static int32_t by_identity[IDENTITIES];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* Level l of element j as a part of the identity, for every lane: a memory operand is cheaper than a constant. */
static int32_t identity_part[ENTRY_LENGTH][RADIX - 1][LANES];

/* By index, for decoding: eight times the magnitudes, which makes all of them integers below 128. */
static uint8_t entry_magnitudes[ENTRIES][ENTRY_LENGTH];

static void fill_tables(void) {
  for (int j = 0, place = 1; j < ENTRY_LENGTH; j++, place *= RADIX)
    for (int l = 1; l < RADIX; l++)
      for (int lane = 0; lane < LANES; lane++) identity_part[j][l - 1][lane] = l * place;
  for (int index = 0; index < ENTRIES; index++) {
    int identity = 0;
    for (int j = ENTRY_LENGTH - 1; j >= 0; j--) {
      const int level = (CODES[index] >> (LEVEL_BITS * j)) & ((1 << LEVEL_BITS) - 1);
      identity = RADIX * identity + level;
      entry_magnitudes[index][j] = (uint8_t)(8.0f * MAGNITUDES[level]);
    }
    by_identity[identity] = CODES[index] | index << 16;
  }
}

/* What the bytes of LANES super-blocks will say. Signs have bit j set where element j is negative. */
struct codebook_block {
  vi d, scales[GROUPS], entries[ENTRY_SLOTS], signs[LENGTH / 8];
};

struct prepared {
  /* Element i of every lane at i * LANES. wv is w v, negative for an element with the wrong sign. */
  float w[LENGTH * LANES], wv[LENGTH * LANES];
  vi odd_signs[LENGTH / 8];
  vf entry_w[ENTRY_SLOTS], entry_wv[ENTRY_SLOTS];
  vf group_w[GROUPS], group_wv[GROUPS], group_energy[GROUPS], typical[GROUPS]; /* typical: r of step 3 */
};

/* Magnitude of element j, given the levels of its entry. */
V4_INLINE vf magnitude_of(vi levels, int j) {
  const vi level = vi_shr(levels, LEVEL_BITS * j);
  return LEVEL_BITS == 2 ? vf_lookup4(MAGNITUDES, level) : vf_lookup8(MAGNITUDES, level);
}

/* Base 8 digits are the levels; base 3 digits need the table. */
V4_INLINE vi levels_of(vi identity) { return LEVEL_BITS == 2 ? vi_gather(by_identity, identity) : identity; }

/* Least packed sum over the codebook. Not inlined: it is long, and called from two places. */
static __attribute__((noinline)) vi search_packed(const float *w, const float *wv, const vf *of_w, const vf *of_wv) {
  vi step[ENTRY_LENGTH][RADIX - 1];
#pragma GCC unroll 8
  for (int j = 0; j < ENTRY_LENGTH; j++) {
    const vf wj = vf_load(w + j * LANES), wvj = vf_load(wv + j * LANES);
#pragma GCC unroll 8
    for (int l = 1; l < RADIX; l++)
      step[j][l - 1] = (vi_round(wj * of_w[l - 1] - wvj * of_wv[l - 1]) << IDENTITY_BITS) +
                       vi_load(identity_part[j][l - 1]);
  }
  return best_entry(step);
}

V4_INLINE vf search_entry(const struct prepared *p, int entry, vf a, vi *found) {
  const vf square = a * a;
  const vf bound = square * (TOP * TOP - 1.0f) * p->entry_w[entry] + a * (2.0f * (TOP - 1.0f)) * p->entry_wv[entry];
  const vf unit = vf_max(bound, vf_set(1e-30f)) * (1.0f / COST_LIMIT);
  const vf per_cost = vf_set(1.0f) / unit, per_square = per_cost * square, per_linear = per_cost * a;
  vf of_w[RADIX - 1], of_wv[RADIX - 1];
#pragma GCC unroll 8
  for (int l = 1; l < RADIX; l++) {
    of_w[l - 1] = per_square * (MAGNITUDES[l] * MAGNITUDES[l] - 1.0f);
    of_wv[l - 1] = per_linear * (2.0f * (MAGNITUDES[l] - 1.0f));
  }
  const int at = entry * ENTRY_LENGTH * LANES;
  const vi least = search_packed(p->w + at, p->wv + at, of_w, of_wv);
  *found = least & ((1 << IDENTITY_BITS) - 1);
  return vf_from_int(least >> IDENTITY_BITS) * unit;
}

static vf search_group(const struct prepared *p, int group, vf a, vi *found) {
  vf error = a * (a * p->group_w[group] - p->group_wv[group] * 2.0f);
  for (int k = 0; k < GROUP_SLOTS; k++) error = error + search_entry(p, group * GROUP_SLOTS + k, a, found + k);
  return error;
}

/* Step 1: w v of given weights; returns where blocks are zero. */
V4_INLINE vm weight_values(struct prepared *p, const float *x) {
  vf peak = vf_set(0.0f);
  for (int i = 0; i < LENGTH; i++) peak = vf_max(vf_abs(vf_load(x + i * LANES)), peak);
  const vm zero = vf_lt(peak, vf_set(TINY));
  for (int i = 0; i < LENGTH; i++) {
    /* A lane whose block is zero must not run into 0/0; its result is dropped. */
    const vf v = vf_select(zero, vf_set(0.0f), vf_abs(vf_load(x + i * LANES)));
    vf_store(p->wv + i * LANES, vf_load(p->w + i * LANES) * v);
  }
  return zero;
}

/* Step 2. x still has the signs. */
V4_INLINE void set_signs(struct prepared *p, const float *x, vi *signs) {
  for (int byte = 0; byte < LENGTH / 8; byte++) {
    const int at = byte * 8 * LANES;
    vi mask = vi_set(0), parity = vi_set(0), wrong = vi_set(0);
    vf least = vf_set(3e38f);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
      const vf v = vf_load(x + at + j * LANES);
      const vm negative = vf_lt(v, vf_set(0.0f));
      mask = mask | vi_select(negative, vi_set(1 << j), vi_set(0));
      if (!EVEN_SIGNS) continue;
      parity = parity ^ vi_select(negative, vi_set(1), vi_set(0));
      const vf error = vf_load(p->wv + at + j * LANES) * vf_abs(v);
      const vm less = vf_lt(error, least);
      least = vf_select(less, error, least);
      wrong = vi_select(less, vi_set(1 << j), wrong);
    }
    signs[byte] = mask;
    if (!EVEN_SIGNS) continue;
    p->odd_signs[byte] = parity;
    wrong = wrong & (vi_set(0) - parity);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
      float *wv = p->wv + at + j * LANES;
      vf_store(wv, vi_as_float(vf_bits(vf_load(wv)) ^ vi_shr(wrong, j) << 31));
    }
  }
}

V4_INLINE void set_sums(struct prepared *p, const float *x) {
  for (int group = 0; group < GROUPS; group++) {
    const vf zero = vf_set(0.0f);
    vf group_w = zero, group_wv = zero, group_energy = zero, group_abs = zero, peak = zero;
    for (int entry = group * GROUP_SLOTS; entry < (group + 1) * GROUP_SLOTS; entry++) {
      vf sum_w = zero, sum_wv = zero, sum_signed = zero, energy = zero;
#pragma GCC unroll 8
      for (int i = entry * ENTRY_LENGTH; i < (entry + 1) * ENTRY_LENGTH; i++) {
        const vf wv = vf_load(p->wv + i * LANES), v = vf_abs(vf_load(x + i * LANES));
        peak = vf_max(v, peak);
        sum_w = sum_w + vf_load(p->w + i * LANES);
        sum_wv = sum_wv + vf_abs(wv);
        sum_signed = sum_signed + wv;
        energy = energy + vf_abs(wv) * v;
      }
      p->entry_w[entry] = sum_w;
      p->entry_wv[entry] = sum_wv;
      group_w = group_w + sum_w;
      group_wv = group_wv + sum_signed;
      group_abs = group_abs + sum_wv;
      group_energy = group_energy + energy;
    }
    p->group_w[group] = group_w;
    p->group_wv[group] = group_wv;
    p->group_energy[group] = group_energy;
    const vm some = vf_lt(zero, group_abs);
    p->typical[group] =
        SCALE_FROM_PEAK ? peak : vf_select(some, group_energy / vf_select(some, group_abs, vf_set(1.0f)), zero);
  }
}

/* A and B of the entries found: entry sums, added in order. */
V4_INLINE void least_squares(const struct prepared *p, int group, const vi *found, vf *a, vf *b) {
  *a = *b = vf_set(0.0f);
  for (int k = 0; k < GROUP_SLOTS; k++) {
    const vi levels = levels_of(found[k]);
    vf entry_a = vf_set(0.0f), entry_b = entry_a;
#pragma GCC unroll 8
    for (int j = 0; j < ENTRY_LENGTH; j++) {
      const int at = (group * GROUP_LENGTH + k * ENTRY_LENGTH + j) * LANES;
      const vf m = magnitude_of(levels, j);
      entry_a = entry_a + vf_load(p->wv + at) * m;
      entry_b = entry_b + vf_load(p->w + at) * m * m;
    }
    *a = *a + entry_a;
    *b = *b + entry_b;
  }
}

/* Step 3. */
V4_INLINE vf find_scale(const struct prepared *p, int group) {
  const vf zero = vf_set(0.0f);
  vf least = vf_set(3e38f), best = zero;
  for (size_t t = 0; t < sizeof FACTORS / sizeof *FACTORS; t++) {
    vf scale = p->typical[group] * FACTORS[t], a, b;
    vi found[GROUP_SLOTS];
    search_group(p, group, scale, found);
    least_squares(p, group, found, &a, &b);
    const vm fits = vm_and(vf_lt(zero, a), vf_lt(zero, b));
    scale = vf_select(fits, a / vf_select(fits, b, vf_set(1.0f)), scale);
    const vf error = p->group_energy[group] - a * scale;
    const vm less = vf_lt(error, least);
    least = vf_select(less, error, least);
    best = vf_select(less, scale, best);
  }
  return best;
}

/* Step 4 for one group; the identities chosen go to `chosen`. */
V4_INLINE vi choose_levels(const struct prepared *p, int group, vf scale, vf d, vf inverse_d, vi *chosen) {
  const vf ideal = (scale * inverse_d - 1.0f) * 0.5f;
  const vi lower = vi_round(vf_min(ideal, vf_set(1000.0f)) - 0.5f);
  vf least = vf_set(3e38f);
  vi best = vi_set(0);
  for (int k = 0; k < GROUP_SLOTS; k++) chosen[k] = vi_set(0);
  for (int step = 0; step <= 1; step++) {
    const vi s = vi_clamp(lower + step, vi_set(0), vi_set(15));
    vi found[GROUP_SLOTS];
    const vf error = search_group(p, group, d * vf_from_int(s + s + 1), found);
    const vm less = vf_lt(error, least);
    least = vf_select(less, error, least);
    best = vi_select(less, s, best);
    for (int k = 0; k < GROUP_SLOTS; k++) chosen[k] = vi_select(less, found[k], chosen[k]);
  }
  return best;
}

/* Steps 5 and 6; `levels` by entry. Returns the f16 bits of d. */
V4_INLINE vi finish(const struct prepared *p, const vi *levels, struct codebook_block *out) {
  const vf zero = vf_set(0.0f);
  vf numerator = zero, denominator = zero, energy = zero;
  for (int group = 0; group < GROUPS; group++) {
    vf a = zero, b = zero;
    for (int first = group * GROUP_LENGTH; first < (group + 1) * GROUP_LENGTH; first += 8) {
      vf byte_a = zero, byte_b = zero, least = vf_set(3e38f);
      vi wrong = vi_set(0);
#pragma GCC unroll 8
      for (int j = 0; j < 8; j++) {
        const int i = first + j;
        const vf m = magnitude_of(levels[i / ENTRY_LENGTH], j % ENTRY_LENGTH);
        const vf cost = vf_abs(vf_load(p->wv + i * LANES)) * m;
        byte_a = byte_a + cost;
        byte_b = byte_b + vf_load(p->w + i * LANES) * m * m;
        const vm less = vf_lt(cost, least);
        least = vf_select(less, cost, least);
        wrong = vi_select(less, vi_set(1 << j), wrong);
      }
      if (EVEN_SIGNS) {
        const vi odd = vi_set(0) - p->odd_signs[first / 8];
        out->signs[first / 8] = out->signs[first / 8] ^ (wrong & odd);
        byte_a = byte_a - vi_as_float(vf_bits(least * 2.0f) & odd);
      }
      a = a + byte_a;
      b = b + byte_b;
    }
    const vf f = vf_from_int(out->scales[group] + out->scales[group] + 1);
    numerator = numerator + f * a;
    denominator = denominator + f * f * b;
    energy = energy + p->group_energy[group];
  }
  const vm fits = vm_and(vf_lt(zero, numerator), vf_lt(zero, denominator));
  const vi d = vf_to_half(vf_select(fits, vf_sqrt(energy / vf_select(fits, denominator, vf_set(1.0f))), zero));
  return vi_select(vi_lt(vi_set(0), d), d, out->d);
}

/* Where the result is all zero bytes, every field of `out` is 0. */
static void encode_lanes(const struct batch *batch, struct codebook_block *out) {
  pthread_once(&tables_once, fill_tables);
  float x[LENGTH * LANES];
  struct prepared p;
  lanes_transpose(batch->src, LENGTH, x);
  if (batch->importance[0]) lanes_transpose(batch->importance, LENGTH, p.w);
  else
    for (int i = 0; i < LENGTH; i++) vf_store(p.w + i * LANES, vf_set(1.0f));
  const vm tiny = weight_values(&p, x);
  set_signs(&p, x, out->signs);
  set_sums(&p, x);

  vf scales[GROUPS], largest = vf_set(0.0f);
  for (int group = 0; group < GROUPS; group++) {
    scales[group] = find_scale(&p, group);
    largest = vf_max(scales[group], largest);
  }
  largest = vf_select(tiny, vf_set(0.0f), largest);
  out->d = vf_to_half(largest * (1.0f / 31.0f));
  const vf d = vf_from_half(out->d);
  const vm some = vf_lt(vf_set(0.0f), d);
  const vf inverse_d = vf_inverse_if(some, d);
  const vi keep = vi_select(some, vi_set(-1), vi_set(0));

  vi levels[ENTRY_SLOTS];
  for (int group = 0; group < GROUPS; group++) {
    vi chosen[GROUP_SLOTS];
    out->scales[group] = choose_levels(&p, group, scales[group], d, inverse_d, chosen) & keep;
    for (int k = 0; k < GROUP_SLOTS; k++) {
      const vi entry = vi_gather(by_identity, chosen[k]);
      levels[group * GROUP_SLOTS + k] = entry;
      out->entries[group * GROUP_SLOTS + k] = vi_shr(entry, 16) & keep;
    }
  }
  out->d = finish(&p, levels, out) & keep;
  for (int byte = 0; byte < LENGTH / 8; byte++) out->signs[byte] = out->signs[byte] & keep;
}

/* A little-endian word of four bytes, or of eight nibbles, the first lowest. */
V4_INLINE vi four_bytes(const vi *bytes) { return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24; }

V4_INLINE vi eight_nibbles(const vi *nibbles) {
  vi word = vi_set(0);
  for (int k = 0; k < 8; k++) word = word | nibbles[k] << (4 * k);
  return word;
}

/*
 * The sixteen values of consecutive entries at scale d (2 s + 1); bit i of `signs` makes value i negative. Exact:
 * an eighth of the scale times eight times the magnitude.
 */
V4_INLINE void expand_entries(const unsigned index[16 / ENTRY_LENGTH], unsigned signs, float scale, float *dst) {
  const uint8_t(*of)[ENTRY_LENGTH] = entry_magnitudes;
  const b16 magnitudes = ENTRY_LENGTH == 8 ? b16_load_2(of[index[0]], of[index[1]])
                                           : b16_load_4(of[index[0]], of[index[1]], of[index[2]], of[index[3]]);
  const b16 negative = b16_from_bits((uint16_t)signs);
  b16_scale((magnitudes ^ negative) - negative, scale * 0.125f, dst);
}

/* The mask of a stored 7-bit sign index: bit 7 makes the number of negatives even. */
V4_INLINE unsigned even_signs(unsigned index) { return index | (unsigned)__builtin_parity(index) << 7; }
