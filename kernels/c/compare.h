/* Sums over two rows of values; see compare.c. */
#ifndef V4_COMPARE_H
#define V4_COMPARE_H

#include <stddef.h>
#include <stdint.h>

enum { COMPARE_LANES = 8 };

struct comparison {
  double unequal, squared_error, squared_reference, squared_candidate, product, max_difference;
};

#endif
