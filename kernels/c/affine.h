/*
 * The search of q2_K, q4_K and q5_K, one super-block per lane. Twins, with the description of the search:
 * scalar/affine-fit.ts, scalar/affine-block.ts, scalar/scale-fit.ts.
 *
 * Everything is inlined with constant traits, so that each format gets its own unrolled code.
 */
#ifndef V4_AFFINE_H
#define V4_AFFINE_H

#include "keep-energy.h"
#include "scale-fit.h"
#include "vec.h"

enum { SUPER_BLOCK = 256, SUB_BLOCKS_MAX = 16, SWEEP = 4 };

struct affine_traits {
  int sub_length, scale_max, qmax;
  int keeps_energy;
  int sweeps, plain_sweeps; /* with and without importance */
  float codes[3][SWEEP]; /* candidates of the inverse scale, four at a time: x and w are then loaded once for four */
  float refine[SWEEP];
};

struct affine_fit {
  vf a, b, gain, sq, sqq, sxq; /* the twin's AffineFit */
  vf sw, swx, low, high;       /* the twin's SubBlockSums */
};

/* The super-blocks of a batch before their bits are packed. `x` is transposed: element i of lane l at i * LANES + l. */
struct affine_block {
  vi d, dmin; /* f16 bits */
  vi scales[SUB_BLOCKS_MAX], mins[SUB_BLOCKS_MAX];
  vf inverse[SUB_BLOCKS_MAX], offset[SUB_BLOCKS_MAX]; /* a code is round(clamp(x inverse + offset)) */
  vm zero;                                            /* lanes whose block is all zero bytes */
  float x[SUPER_BLOCK * LANES];
};

/* Ranks the least-squares line of one candidate's codes. */
V4_INLINE void affine_rank(struct affine_fit *fit, vf sq, vf sqq, vf sxq) {
  const vf zero = vf_set(0.0f), sw = fit->sw, swx = fit->swx;
  const vf product = sw * sqq;
  const vf determinant = product - sq * sq;
  const vm regular = vf_gt(determinant, product * 1e-5f), some = vf_gt(sqq, zero);
  const vf inverse = vf_inverse_if(regular, determinant);
  vf a = (sw * sxq - swx * sq) * inverse;
  vf b = (sqq * swx - sq * sxq) * inverse;
  const vm line = vm_andnot(regular, vf_gt(b, zero));
  a = vf_select(line, a, sxq * vf_inverse_if(some, sqq));
  b = vf_select(line, b, zero);
  const vf gain = a * sxq + b * swx;
  const vm better = vm_andnot(vm_and(some, vf_gt(gain, fit->gain + vf_abs(fit->gain) * 2e-6f)), vf_lt(a, zero));
  fit->a = vf_select(better, a, fit->a);
  fit->b = vf_select(better, b, fit->b);
  fit->gain = vf_select(better, gain, fit->gain);
  fit->sq = vf_select(better, sq, fit->sq);
  fit->sqq = vf_select(better, sqq, fit->sqq);
  fit->sxq = vf_select(better, sxq, fit->sxq);
}

/* Four candidates in one pass over a sub-block. `w` NULL means 1. */
V4_INLINE void affine_sweep(const float *x, const float *w, int length, float qmax, const vf inverse[SWEEP], vf start,
                            struct affine_fit *fit) {
  const vf zero = vf_set(0.0f), top = vf_set(qmax);
  vf sq[SWEEP], sqq[SWEEP], sxq[SWEEP], offset[SWEEP];
  for (int c = 0; c < SWEEP; c++) {
    sq[c] = sqq[c] = sxq[c] = zero;
    offset[c] = -(start * inverse[c]);
  }
  for (int i = 0; i < length; i++) {
    const vf value = vf_load(x + i * LANES);
    const vf weight = w ? vf_load(w + i * LANES) : zero;
#pragma GCC unroll 4
    for (int c = 0; c < SWEEP; c++) {
      const vf q = vf_round(vf_clamp(inverse[c] * value + offset[c], zero, top));
      const vf wq = w ? weight * q : q;
      sq[c] = sq[c] + wq;
      sqq[c] = sqq[c] + wq * q;
      sxq[c] = sxq[c] + wq * value;
    }
  }
  for (int c = 0; c < SWEEP; c++) affine_rank(fit, sq[c], sqq[c], sxq[c]);
}

V4_INLINE void affine_fit(const float *x, const float *w, const struct affine_traits *traits, int sweeps,
                           struct affine_fit *fit) {
  const vf zero = vf_set(0.0f), low = fit->low, high = fit->high;
  const vm ranges = vf_gt(high, low), weighs = vf_gt(fit->sw, zero);
  fit->a = fit->sq = fit->sqq = fit->sxq = zero;
  fit->b = vf_select(weighs, vf_min(fit->swx / vf_select(weighs, fit->sw, vf_set(1.0f)), zero), low);
  fit->gain = fit->b * fit->swx;
  vf start = low, inverse[SWEEP];
  for (int sweep = 0; sweep < sweeps; sweep++) {
    const vf range = high - start;
    const vf per_code = vf_inverse_if(vf_gt(range, zero), range);
    for (int c = 0; c < SWEEP; c++) inverse[c] = vf_set(traits->codes[sweep][c]) * per_code;
    affine_sweep(x, w, traits->sub_length, (float)traits->qmax, inverse, start, fit);
    start = fit->b;
  }
  const vf around = vf_inverse_if(vf_gt(fit->a, zero), fit->a);
  for (int c = 0; c < SWEEP; c++) inverse[c] = vf_set(traits->refine[c]) * around;
  affine_sweep(x, w, traits->sub_length, (float)traits->qmax, inverse, start, fit);
  fit->a = vf_select(ranges, fit->a, zero);
  fit->b = vf_select(ranges, fit->b, low);
  fit->gain = vf_select(ranges, fit->gain, zero);
  fit->sqq = vf_select(ranges, fit->sqq, zero);
}

V4_INLINE vf affine_error(const struct affine_fit *fit, vf scale, vf minimum) {
  return scale * (scale * fit->sqq - 2.0f * (fit->sxq + minimum * fit->sq)) +
         minimum * (minimum * fit->sw + 2.0f * fit->swx);
}

/* Re-chooses the scale and min code of one sub-block now that d and dmin are rounded. */
V4_INLINE void affine_rechoose(const struct affine_fit *fit, vf d, vf dmin, vf inverse_d, int scale_max, vi *scale_code,
                               vi *min_code) {
  const vf zero = vf_set(0.0f), top = vf_set((float)scale_max);
  const vm some = vf_gt(fit->sqq, zero);
  const vf inverse_sqq = vf_inverse_if(some, fit->sqq);
  const vi rounded = *min_code;
  vf best = affine_error(fit, d * vf_from_int(*scale_code), dmin * vf_from_int(rounded)) - fit->gain * 2e-5f;
  for (int reach = -2; reach <= 2; reach++) {
    const vi code = vi_clamp(rounded + reach, vi_set(0), vi_set(scale_max));
    const vf minimum = dmin * vf_from_int(code);
    const vf slope = (fit->sxq + minimum * fit->sq) * inverse_sqq;
    const vi candidate = vi_round(vf_clamp(slope * inverse_d, zero, top));
    const vf error = affine_error(fit, d * vf_from_int(candidate), minimum);
    const vm better = vm_and(some, vf_lt(error, best));
    best = vf_select(better, error, best);
    *scale_code = vi_select(better, candidate, *scale_code);
    *min_code = vi_select(better, code, *min_code);
  }
}

/* The code of element i, which lies in sub-block j. */
V4_INLINE vi affine_code(const struct affine_block *block, int i, int j, int qmax) {
  const vf scaled = vf_load(block->x + i * LANES) * block->inverse[j] + block->offset[j];
  return vi_round(vf_clamp(scaled, vf_set(0.0f), vf_set((float)qmax)));
}

/* Makes d and dmin such that the block keeps its energy; the codes stay. */
V4_INLINE void affine_keep_energy(struct affine_block *block, const struct affine_traits *traits, const float *w, vf d,
                                  vf dmin) {
  vf energy = vf_set(0.0f), kept = energy;
  for (int j = 0, i = 0; j < SUPER_BLOCK / traits->sub_length; j++) {
    const vf scale = d * vf_from_int(block->scales[j]), minimum = dmin * vf_from_int(block->mins[j]);
    for (int k = 0; k < traits->sub_length; k++, i++) {
      const vf x = vf_load(block->x + i * LANES);
      const vf y = scale * vf_from_int(affine_code(block, i, j, traits->qmax)) - minimum;
      energy = energy + (w ? vf_load(w + i * LANES) * x * x : x * x);
      kept = kept + (w ? vf_load(w + i * LANES) * y * y : y * y);
    }
  }
  const vf factor = keep_energy(energy, kept);
  block->d = vf_to_half(d * factor);
  block->dmin = vf_to_half(dmin * factor);
}

V4_INLINE void affine_search(const struct batch *batch, const struct affine_traits *traits, int weighted,
                             struct affine_block *block) {
  float importance[SUPER_BLOCK * LANES];
  float *x = block->x;
  struct affine_fit fits[SUB_BLOCKS_MAX];
  vf slopes[SUB_BLOCKS_MAX], offsets[SUB_BLOCKS_MAX], weights[SUB_BLOCKS_MAX];
  const vf zero = vf_set(0.0f);
  const int length = traits->sub_length, sub_blocks = SUPER_BLOCK / length;
  lanes_transpose(batch->src, SUPER_BLOCK, x);
  if (weighted) lanes_transpose(batch->importance, SUPER_BLOCK, importance);

  vf peak = zero;
  for (int j = 0; j < sub_blocks; j++) {
    const float *xj = x + j * length * LANES, *w = weighted ? importance + j * length * LANES : NULL;
    struct affine_fit *fit = &fits[j];
    vf low = zero, high = vf_load(xj), sw = vf_set(weighted ? 0.0f : (float)length), swx = zero;
    for (int i = 0; i < length; i++) {
      const vf value = vf_load(xj + i * LANES);
      if (weighted) {
        const vf weight = vf_load(w + i * LANES);
        sw = sw + weight;
        swx = swx + weight * value;
      } else {
        swx = swx + value;
      }
      low = vf_min(value, low);
      high = vf_max(value, high);
    }
    peak = vf_max(vf_max(high, -low), peak);
    fit->sw = sw;
    fit->swx = swx;
    fit->low = low;
    fit->high = high;
    affine_fit(xj, w, traits, weighted ? traits->sweeps : traits->plain_sweeps, fit);
    slopes[j] = fit->a;
    offsets[j] = -fit->b;
    weights[j] = sw;
  }
  block->zero = vf_lt(peak, vf_set(TINY));

  block->d = vf_to_half(fit_scales(slopes, weights, sub_blocks, traits->scale_max, block->scales));
  block->dmin = vf_to_half(fit_scales(offsets, weights, sub_blocks, traits->scale_max, block->mins));
  const vf d = vf_from_half(block->d), dmin = vf_from_half(block->dmin);
  const vf inverse_d = vf_inverse_if(vf_gt(d, zero), d);
  for (int j = 0; j < sub_blocks; j++) {
    affine_rechoose(&fits[j], d, dmin, inverse_d, traits->scale_max, &block->scales[j], &block->mins[j]);
    const vf scale = d * vf_from_int(block->scales[j]);
    block->inverse[j] = vf_inverse_if(vf_gt(scale, zero), scale);
    block->offset[j] = dmin * vf_from_int(block->mins[j]) * block->inverse[j];
  }
  if (traits->keeps_energy) affine_keep_energy(block, traits, weighted ? importance : NULL, d, dmin);
}

V4_INLINE void affine_encode(const struct batch *batch, const struct affine_traits *traits, struct affine_block *block) {
  if (batch->importance[0])
    affine_search(batch, traits, 1, block);
  else
    affine_search(batch, traits, 0, block);
}

/* Words of a zero block are zero. */
V4_INLINE void affine_put_words(const struct batch *batch, const struct affine_block *block, vi *words, int count) {
  for (int k = 0; k < count; k++) words[k] = vi_select(block->zero, vi_set(0), words[k]);
  lanes_put_words(batch, 0, words, count);
}

#endif
