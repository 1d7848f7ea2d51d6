/** The largest f16. No format whose scale is an f16 takes a larger magnitude: its scale might become infinite. */
export const F16_MAX = 65504;

/**
 * A block whose peak magnitude is below this is a zero block in every format with an f16 scale and integer
 * codes: the smallest value they can hold is 2^-24, more than twice as far away. It also keeps products of
 * weights and squares of values out of the subnormal range.
 */
export const TINY = 2 ** -26;
