/*
 * Runs every kernel of every set on buffers of exactly the right size and compares the sets' bytes: for builds that
 * vitest cannot load (sanitizers, another architecture under emulation).
 *
 *   identity [ROUNDS]
 *
 * Prints one digest per format, which is the same on every machine, and exits 1 if two sets differ.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../c/set.h"

#define DECLARE_SET(set) extern const struct kernel_set v4_kernels_##set;
V4_SETS(DECLARE_SET)

static const struct kernel_set *const SETS[] = {
#define ADDRESS(set) &v4_kernels_##set,
    V4_SETS(ADDRESS)};
enum { SET_COUNT = sizeof SETS / sizeof *SETS, ROW = 1280, KINDS = 14 };

static uint32_t state;
static uint32_t byte(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 16 & 255;
}
/* Nearly normal, from integers alone: no libm, which differs between machines. */
static float normal(void) { return (float)((int)(byte() + byte() + byte() + byte()) - 510) / 148.0f; }

/* Rows that searches stumble over; see test/unit/kernel-inputs.ts. */
static float value(int kind, int i) {
  const float x = normal();
  switch (kind) {
    case 1: return 0.02f * x * x * x;
    case 2: return 0.0f;
    case 3: return i % 2 ? -0.0f : 0.37f;
    case 4: return i % 256 == 77 ? 1000.0f : 0.01f * x;
    case 5: return i % 256 == 130 ? -3.0f : 0.0f;
    case 6: return x * 0x1p-130f;
    case 7: return x * 0x1p-27f;
    case 8: return x * 0x1p-22f;
    case 9: return i % 96 < 48 ? x * 0x1p-63f : x;
    case 10: return i / 32 % 3 ? 0.0f : x;
    case 11: return x > 0 ? 1.0f : -0.5f;
    case 12: return (float)(int)(2 * x) / 2;
    case 13: return x * 800.0f;
    default: return x;
  }
}

static float weight(int kind, int i) {
  const float x = (float)(1 + byte()) / 256;
  switch (kind) {
    case 1: return i / 32 % 2 ? 0x1p-24f : x;
    case 2: return i % 32 == 5 ? 0.5f : 0x1p-24f;
    default: return x;
  }
}

static void *buffer(size_t bytes) {
  void *data = malloc(bytes ? bytes : 1);
  if (!data) exit(71);
  memset(data, 0xa5, bytes);
  return data;
}

static uint64_t digest_of(uint64_t digest, const void *data, size_t count) {
  for (const uint8_t *p = data; count > 0; count--, p++) digest = (digest ^ *p) * 0x100000001b3u;
  return digest;
}

/* Bytes and decoded values of one input through one set, digested. */
static uint64_t run(const struct kernel_set *set, size_t f, const float *x, size_t length, const float *importance,
                    uint64_t digest) {
  const struct format *format = &set->formats[f];
  const size_t blocks = length / format->block_length, bytes = blocks * format->block_bytes;
  uint8_t *packed = buffer(bytes);
  float *y = buffer(length * 4);
  if (format->encode) {
    const ptrdiff_t refused = set->encode(format, x, length, packed, length < ROW ? length : ROW, importance);
    digest = digest_of(digest, &refused, sizeof refused);
    if (refused == V4_OK) digest = digest_of(digest, packed, bytes);
  } else {
    memset(packed, 0x35, bytes);
  }
  format->decode(packed, y, blocks);
  digest = digest_of(digest, y, length * 4);
  free(packed);
  free(y);
  return digest;
}

/* The kernels of the official checkpoint's own formats. */
static uint64_t run_sources(const struct kernel_set *set, uint64_t digest) {
  enum { ROWS = 5, COLS = 96, GROUPS = ROWS * COLS / 32 };
  uint8_t *codes = buffer(ROWS * COLS), *scales = buffer(GROUPS), *blocks = buffer(GROUPS * 17);
  float *y = buffer(ROWS * COLS * 4), *f32 = buffer(6 * 4);
  for (int i = 0; i < ROWS * COLS; i++) codes[i] = (uint8_t)(i * 7 % 127 | (i & 128));
  for (int i = 0; i < GROUPS; i++) scales[i] = (uint8_t)(i * 17);
  for (int i = 0; i < 6; i++) f32[i] = 0.1f * (float)i;
  scales[0] = 3;
  const struct f8_scales by_bytes = {scales, NULL, 2, 40, 1}, by_floats = {NULL, f32, 4, 50, 3};
  set->decode_f8(codes, ROWS, COLS, &by_bytes, y);
  digest = digest_of(digest, y, ROWS * COLS * 4);
  set->decode_f8(codes, ROWS, COLS, &by_floats, y);
  digest = digest_of(digest, y, ROWS * COLS * 4);
  double *sums = buffer(COLS * sizeof *sums);
  for (int i = 0; i < COLS; i++) sums[i] = i;
  set->column_energy(y, ROWS, COLS, sums);
  digest = digest_of(digest, sums, COLS * sizeof *sums);
  uint8_t *packed = buffer(ROWS * COLS / 2);
  memcpy(packed, codes, ROWS * COLS / 2);
  set->decode_fp4(packed, scales, GROUPS, 32, y);
  digest = digest_of(digest, y, ROWS * COLS * 4);
  set->repack_mxfp4(packed, scales, GROUPS, blocks);
  digest = digest_of(digest, blocks, GROUPS * 17);
  /* All equal; a sign of 0 that differs, which does not count; values that differ, in the last group and before it. */
  const int changes[4][2] = {{0, 0}, {17 * 2 + 1, 0x80}, {17 * GROUPS - 1, 0x10}, {17 * 4 + 9, 0x02}};
  packed[16 * 2 + 8] &= 0xf0;
  set->repack_mxfp4(packed, scales, GROUPS, blocks);
  for (int change = 0; change < 4; change++) {
    blocks[changes[change][0]] ^= (uint8_t)changes[change][1];
    uint8_t span[2] = {255, 0};
    const int64_t position = set->match_fp4(packed, scales, GROUPS, blocks, span);
    digest = digest_of(digest, &position, sizeof position);
    digest = digest_of(digest, span, sizeof span);
  }
  free(codes), free(scales), free(blocks), free(y), free(f32), free(packed), free(sums);
  return digest;
}

#include "identity-safetensors.h"

static int runs_here(const struct kernel_set *set) {
#if defined(__x86_64__)
  if (!strcmp(set->name, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (!strcmp(set->name, "avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
  (void)set;
  return 1;
}

static int report(const char *name, const uint64_t digest[SET_COUNT]) {
  int same = 1;
  printf("%-8s %016llx", name, (unsigned long long)digest[0]);
  for (int s = 0; s < SET_COUNT; s++) {
    if (!runs_here(SETS[s])) continue;
    printf(" %s%s", SETS[s]->name, digest[s] == digest[0] ? "" : " DIFFERS");
    same &= digest[s] == digest[0];
  }
  puts("");
  return same;
}

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 1;
  int same = 1;
  for (size_t f = 0; f < SETS[0]->format_count; f++) {
    const size_t block = SETS[0]->formats[f].block_length;
    uint64_t digest[SET_COUNT] = {0};
    state = 20260101;
    for (int round = 0; round < rounds; round++)
      for (int kind = 0; kind < KINDS; kind++)
        for (int weights = -1; weights < 3; weights++) {
          /* Whole rows, and a single block, which leaves lanes to spare. */
          const size_t length = (kind + weights) % 3 == 0 ? block : 2 * ROW;
          float *x = buffer(length * 4), *w = buffer((length < ROW ? length : ROW) * 4);
          for (size_t i = 0; i < length; i++) x[i] = value(kind, (int)i);
          for (size_t i = 0; i < (length < ROW ? length : ROW); i++) w[i] = weight(weights, (int)i);
          for (int s = 0; s < SET_COUNT; s++)
            if (runs_here(SETS[s])) digest[s] = run(SETS[s], f, x, length, weights < 0 ? NULL : w, digest[s]);
          free(x);
          free(w);
        }
    same &= report(SETS[0]->formats[f].name, digest);
  }
  uint64_t digest[SET_COUNT] = {0};
  for (int s = 0; s < SET_COUNT; s++)
    if (runs_here(SETS[s])) digest[s] = run_sources(SETS[s], 0);
  same &= report("sources", digest);
  for (int s = 0; s < SET_COUNT; s++)
    if (runs_here(SETS[s])) digest[s] = run_safetensors(SETS[s]->safetensors);
  same &= report("safetensors", digest);
  return same ? 0 : 1;
}
