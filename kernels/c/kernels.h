/* Every function of one instruction set, declared once. Include after vec.h and formats.h. */
#ifndef V4_KERNELS_H
#define V4_KERNELS_H

#define BOTH(name, length, bytes, largest) \
  ptrdiff_t V4(decode_##name)(const uint8_t *src, float *dst, size_t blocks); \
  void V4(encode_##name)(const struct encode_job *job, size_t begin, size_t end);
#define DECODE(name, length, bytes) ptrdiff_t V4(decode_##name)(const uint8_t *src, float *dst, size_t blocks);
V4_FORMATS(BOTH, DECODE)
#undef BOTH
#undef DECODE

ptrdiff_t V4(encode)(const struct format *format, const float *src, size_t length, uint8_t *dst, size_t row_length,
                     const float *importance);
ptrdiff_t V4(decode_f8)(const uint8_t *codes, size_t rows, size_t cols, const struct f8_scales *scales, float *dst);
ptrdiff_t V4(decode_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, size_t group, float *dst);
ptrdiff_t V4(repack_mxfp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, uint8_t *dst);
ptrdiff_t V4(match_fp4)(const uint8_t *codes, const uint8_t *scales, size_t groups, const uint8_t *blocks,
                        uint8_t span[2]);
void V4(compare)(const float *x, const float *y, size_t count, struct comparison *out);
void V4(column_energy)(const float *src, size_t rows, size_t cols, double *sums);
ptrdiff_t V4(gemm)(const struct gemm_job *job);
extern const struct forward V4(forward);
extern const struct safetensors_kernels V4(safetensors);

#endif
