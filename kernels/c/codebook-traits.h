/* Names for what a codebook format defines before it includes codebook.h. */
enum { FLAT, SQUARE_AND_MEAN, SQUARE }; /* FALLBACK: weights without importance, see scalar/codebook-block.ts */
