/*
 * How far y is from x. Twin: scalar/compare.ts, with identical bits: value i belongs to lane i mod 8 of every sum, and
 * the lanes are added in order in the end.
 */
#include <math.h>

#include "compare.h"
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "kernels.h"

/* Half of the lanes at a time: vectors that compilers keep in registers on every instruction set. */
enum { HALF = COMPARE_LANES / 2 };
typedef float floats __attribute__((vector_size(HALF * sizeof(float)), aligned(sizeof(float))));
typedef int32_t bools __attribute__((vector_size(HALF * sizeof(int32_t))));
typedef double doubles __attribute__((vector_size(HALF * sizeof(double))));

struct sums {
  doubles error, reference, candidate, product;
  bools unequal; /* counted down: true is -1 */
  floats most;
};

V4_INLINE void add(struct sums *s, const float *x, const float *y) {
  const floats a = *(const floats *)(const void *)x, b = *(const floats *)(const void *)y;
  const floats difference = b - a;
  const floats magnitude = (floats)((bools)difference & 0x7fffffff);
  const doubles d = __builtin_convertvector(difference, doubles);
  const doubles p = __builtin_convertvector(a, doubles), q = __builtin_convertvector(b, doubles);
  s->error += d * d;
  s->reference += p * p;
  s->candidate += q * q;
  s->product += p * q;
  s->unequal += difference != 0.0f;
  const bools keep = (magnitude <= s->most) | (s->most != s->most); /* NaN comes in and stays */
  s->most = (floats)(((bools)s->most & keep) | ((bools)magnitude & ~keep));
}

void V4(compare)(const float *x, const float *y, size_t count, struct comparison *out) {
  struct sums low = {0}, high = {0};
  double unequal = 0;
  size_t i = 0;
  while (i + COMPARE_LANES <= count) {
    /* In runs, so that the counts of a lane stay within 32 bits. */
    for (size_t end = i + ((size_t)COMPARE_LANES << 24); i + COMPARE_LANES <= count && i < end; i += COMPARE_LANES) {
      add(&low, x + i, y + i);
      add(&high, x + i + HALF, y + i + HALF);
    }
    for (size_t lane = 0; lane < HALF; lane++) unequal -= (double)low.unequal[lane] + high.unequal[lane];
    low.unequal = high.unequal = (bools){0};
  }
  float a[COMPARE_LANES] = {0}, b[COMPARE_LANES] = {0};
  for (size_t lane = 0; i + lane < count; lane++) {
    a[lane] = x[i + lane];
    b[lane] = y[i + lane];
  }
  add(&low, a, b);
  add(&high, a + HALF, b + HALF);
  for (size_t lane = 0; lane < HALF; lane++) unequal -= (double)low.unequal[lane] + high.unequal[lane];
  *out = (struct comparison){.unequal = unequal};
  for (size_t lane = 0; lane < COMPARE_LANES; lane++) {
    const struct sums *s = lane < HALF ? &low : &high;
    const size_t at = lane % HALF;
    out->squared_error += s->error[at];
    out->squared_reference += s->reference[at];
    out->squared_candidate += s->candidate[at];
    out->product += s->product[at];
    if (!(s->most[at] <= out->max_difference || out->max_difference != out->max_difference))
      out->max_difference = s->most[at];
  }
}
