/*
 * The traits table of the compiled kernels: BOTH(name, block length, block bytes, largest magnitude) for a
 * format that is decoded and encoded, DECODE(name, block length, block bytes) for one that is only read.
 * A format's functions are V4(decode_<name>) and V4(encode_<name>) in <name>.c, compiled once per set.
 */
#define F16_MAX 65504.0f

/*
 * A block whose peak magnitude is below TINY is a zero block in every format with an f16 scale and integer
 * codes: the smallest value they can hold is 2^-24, more than twice as far away. It also keeps products of
 * weights and squares of values out of the subnormal range.
 */
#define TINY 0x1p-26f

#define V4_FORMATS(BOTH, DECODE) \
  BOTH(f32, 1, 4, 0x1.fffffep127f) \
  BOTH(f16, 1, 2, F16_MAX) \
  BOTH(bf16, 1, 2, 0x1.fefffep127f) /* the last value that does not round to infinity */ \
  BOTH(q8_0, 32, 34, F16_MAX) \
  BOTH(q4_0, 32, 18, F16_MAX) \
  DECODE(q4_1, 32, 20) \
  DECODE(q5_0, 32, 22) \
  DECODE(q5_1, 32, 24) \
  BOTH(q2_K, 256, 84, F16_MAX) \
  BOTH(q3_K, 256, 110, F16_MAX) \
  BOTH(q4_K, 256, 144, F16_MAX) \
  BOTH(q5_K, 256, 176, F16_MAX) \
  BOTH(q6_K, 256, 210, F16_MAX) \
  BOTH(iq4_nl, 32, 18, F16_MAX) \
  BOTH(iq4_xs, 256, 136, F16_MAX) \
  BOTH(nvfp4, 64, 36, 2688.0f) /* the largest scale, 448, times 6 */ \
  BOTH(mxfp4, 32, 17, 0x1p60f) /* squares of errors stay finite */ \
  BOTH(iq2_xxs, 256, 66, F16_MAX) \
  BOTH(iq2_xs, 256, 74, F16_MAX) \
  BOTH(iq2_s, 256, 82, F16_MAX) \
  BOTH(iq3_xxs, 256, 98, F16_MAX) \
  BOTH(iq3_s, 256, 110, F16_MAX)
