/* The table of one instruction set: every format's functions under one symbol. */
#include "set.h"
#include "vec.h"

#include "formats.h"
#include "kernels.h"

static const struct format formats[] = {
#define BOTH(name, length, bytes, largest) {#name, length, bytes, largest, V4(decode_##name), V4(encode_##name)},
#define DECODE(name, length, bytes) {#name, length, bytes, 0.0f, V4(decode_##name), NULL},
    V4_FORMATS(BOTH, DECODE)
#undef BOTH
#undef DECODE
};

#define V4_TEXT2(set) #set
#define V4_TEXT(set) V4_TEXT2(set)

const struct kernel_set V4(kernels) = {
    .name = V4_TEXT(V4_SET),
    .formats = formats,
    .format_count = sizeof formats / sizeof *formats,
    .encode = V4(encode),
    .decode_f8 = V4(decode_f8),
    .decode_fp4 = V4(decode_fp4),
    .repack_mxfp4 = V4(repack_mxfp4),
    .match_fp4 = V4(match_fp4),
    .gemm = V4(gemm),
    .compare = V4(compare),
    .column_energy = V4(column_energy),
    .forward = &V4(forward),
    .safetensors = &V4(safetensors),
};
