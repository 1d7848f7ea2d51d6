/** The largest f16. No format whose scale is an f16 takes a larger magnitude: its scale might become infinite. */
export const F16_MAX = 65504;

/**
 * A block whose peak magnitude is below this is a zero block in every format with an f16 scale and integer
 * codes: the smallest value they can hold is 2^-24, more than twice as far away. It also keeps products of
 * weights and squares of values out of the subnormal range.
 */
export const TINY = 2 ** -26;

/**
 * The range of peaks of a group under a bf16 scale. bf16 itself reaches further; beyond these, squares would leave f32
 * and the search would not know what it does. A group below the smaller one counts as zeros.
 */
export const BF16_SCALE_MAX = 2 ** 60;
export const BF16_SCALE_TINY = 2 ** -100;
