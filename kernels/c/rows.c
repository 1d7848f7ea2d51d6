/*
 * The front of every encoder: refuses values that the format cannot hold, then encodes a window of blocks at
 * a time, so that the check and the encoder read the same cache lines. A window is short, as the check waits for
 * memory and the encoder computes: while one is encoded, the processor already fetches the next.
 */
#include "set.h"
#include "vec.h"

enum { WINDOW = 512 }; /* values; but at least one block per lane */

/* Position of the first value that is not finite or larger in magnitude than `largest`; `count` if none. */
static size_t first_refused(const float *values, size_t count, float largest) {
  int32_t limit;
  memcpy(&limit, &largest, 4);
  int32_t peak = 0; /* of the bits: for magnitudes their order is the numbers' order, NaN last */
  for (size_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, values + i, 4);
    bits &= 0x7fffffff;
    peak = bits > peak ? bits : peak;
  }
  if (peak <= limit) return count;
  for (size_t i = 0;; i++) {
    int32_t bits;
    memcpy(&bits, values + i, 4);
    if ((bits & 0x7fffffff) > limit) return i;
  }
}

ptrdiff_t V4(encode)(const struct format *format, const float *src, size_t length, uint8_t *dst, size_t row_length,
                     const float *importance) {
  const struct encode_job job = {src, dst, importance, row_length / format->block_length};
  const size_t short_window = WINDOW / format->block_length;
  const size_t window = short_window > LANES ? short_window : LANES;
  const size_t blocks = length / format->block_length;
  for (size_t begin = 0; begin < blocks; begin += window) {
    const size_t end = begin + window < blocks ? begin + window : blocks;
    const size_t from = begin * format->block_length, count = (end - begin) * format->block_length;
    const size_t refused = first_refused(src + from, count, format->largest);
    if (refused < count) return (ptrdiff_t)(from + refused);
    format->encode(&job, begin, end);
  }
  return V4_OK;
}
