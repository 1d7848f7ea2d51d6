/*
 * Sums of squares per column. Twin: scalar/column-energy.ts, with identical bits: the columns are independent of each
 * other, so the compiler takes several at a time, and a column's rows are added one by one, in order.
 */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "kernels.h"

/* Exact: the square of a float has at most 48 significant bits. */
V4_INLINE double square(float value) {
  const double x = value;
  return x * x;
}

void V4(column_energy)(const float *restrict src, size_t rows, size_t cols, double *restrict sums) {
  /* Four rows at a time, because sums of thousands of columns come from the second-level cache. */
  for (; rows >= 4; rows -= 4, src += 4 * cols) {
    const float *a = src, *b = a + cols, *c = b + cols, *d = c + cols;
    for (size_t i = 0; i < cols; i++)
      sums[i] = sums[i] + square(a[i]) + square(b[i]) + square(c[i]) + square(d[i]);
  }
  for (; rows > 0; rows--, src += cols)
    for (size_t i = 0; i < cols; i++) sums[i] += square(src[i]);
}
