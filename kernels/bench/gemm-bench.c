/*
 * gemm against OpenBLAS sgemm, in one process, one thread, on the same data.
 *
 *   OPENBLAS_NUM_THREADS=1 gemm-bench LIBOPENBLAS SET REPEATS [M [N [K]]]
 *
 * Prints CSV. Runs alternate; figures are medians: of GFLOP/s, and of (OpenBLAS time / our time) per pair. OpenBLAS
 * always multiplies the f32 matrix; ours reads the stored format. `gb_s` counts the stored bytes of W once.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../c/set.h"

#define DECLARE_SET(set) extern const struct kernel_set v4_kernels_##set;
V4_SETS(DECLARE_SET)

typedef void peer_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                        const float *b, int ldb, float beta, float *c, int ldc);
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112, MOST_REPEATS = 99 };

static uint64_t state = 7;
static float uniform(void) { /* in [-1, 1) */
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(state >> 32) * 0x1p-31f;
}

static double seconds(void) { /* of this thread on a processor: other load on the machine disturbs it less */
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

struct entry {
  const char *name;
  struct weights w;
  size_t bytes;
};

int main(int argc, char **argv) {
  if (argc < 4) return 64;
  const struct kernel_set *set = NULL;
#define FIND_SET(name) \
  if (!strcmp(argv[2], #name)) set = &v4_kernels_##name;
  V4_SETS(FIND_SET)
  void *library = dlopen(argv[1], RTLD_NOW);
  peer_sgemm *sgemm = library ? (peer_sgemm *)dlsym(library, "cblas_sgemm") : NULL;
  const int repeats = atoi(argv[3]) < MOST_REPEATS ? atoi(argv[3]) : MOST_REPEATS;
  const size_t m = argc > 4 ? (size_t)atol(argv[4]) : 256, n = argc > 5 ? (size_t)atol(argv[5]) : 4096;
  const size_t k = argc > 6 ? (size_t)atol(argv[6]) : 4096;
  if (!set || !sgemm || repeats < 1) return fprintf(stderr, "%s\n", library ? "no such set" : dlerror()), 66;
  char *(*config)(void) = (char *(*)(void))dlsym(library, "openblas_get_config");
  if (config) fprintf(stderr, "%s\n", config());

  volatile float sink = 0;
  float *x = malloc(m * k * 4), *w = malloc(n * k * 4), *y = malloc(m * n * 4), *peer = malloc(m * n * 4);
  uint8_t *packed = malloc(n * k), *scales = malloc(n * k / 32);
  for (size_t i = 0; i < m * k; i++) x[i] = uniform();
  for (size_t i = 0; i < n * k; i++) w[i] = uniform() * 0.02f;

  double pass[MOST_REPEATS]; /* what reading W costs: eight independent sums, enough to be bound by memory */
  for (int r = 0; r < repeats; r++) {
    float sum[64] = {0};
    const double t0 = seconds();
    for (size_t i = 0; i + 64 <= n * k; i += 64)
      for (size_t j = 0; j < 64; j++) sum[j] += w[i + j];
    pass[r] = seconds() - t0;
    for (int j = 0; j < 64; j++) sink += sum[j];
  }
  fprintf(stderr, "reading W as f32: %.2f GB/s\n", (double)(n * k * 4) / median(pass, repeats) * 1e-9);

  static const char *const NAMES[] = {"f32", "bf16", "f16", "q8_0", "q4_K", "q6_K", "q2_K", "mxfp4", "iq2_xxs", "fp4", "f8"};
  printf("format,m,n,k,gflop_s,openblas_gflop_s,ratio,gb_s,largest_difference\n");
  for (size_t e = 0; e < sizeof NAMES / sizeof *NAMES; e++) {
    struct weights weights = {.codes = packed, .cols = k};
    size_t bytes = n * k;
    for (size_t f = 0; f < set->format_count; f++)
      if (!strcmp(set->formats[f].name, NAMES[e])) weights.format = &set->formats[f];
    if (weights.format) {
      bytes = n * k / weights.format->block_length * weights.format->block_bytes;
      uint8_t *stored = malloc(bytes);
      if (set->encode(weights.format, w, n * k, stored, k, NULL) != V4_OK) return 70;
      weights.codes = stored;
    } else {
      for (size_t i = 0; i < n * k; i++) packed[i] = (uint8_t)((int)(uniform() * 127) & 0xbf);
      memset(scales, 120, n * k / 32);
      if (!strcmp(NAMES[e], "fp4")) {
        weights.fp4_scales = scales, weights.fp4_group = 32;
        bytes = n * k / 2 + n * k / 32;
      } else {
        weights.f8 = (struct f8_scales){.e8m0 = scales, .block_rows = 128, .block_cols = 128};
      }
    }
    const struct gemm_job job = {x, m, k, weights, y, n, n};
    if (set->gemm(&job) != V4_OK) return 70;
    double ours[MOST_REPEATS], theirs[MOST_REPEATS], ratio[MOST_REPEATS];
    for (int r = 0; r < repeats; r++) {
      const double t0 = seconds();
      set->gemm(&job);
      const double t1 = seconds();
      sgemm(ROW_MAJOR, NO_TRANS, TRANS, (int)m, (int)n, (int)k, 1, x, (int)k, w, (int)k, 0, peer, (int)n);
      const double t2 = seconds();
      ours[r] = t1 - t0, theirs[r] = t2 - t1, ratio[r] = theirs[r] / ours[r];
    }
    double difference = 0;
    if (weights.format && weights.format->block_bytes == 4)
      for (size_t i = 0; i < m * n; i++) difference = fmax(difference, fabs((double)y[i] - peer[i]));
    const double flop = 2e-9 * (double)m * (double)n * (double)k, time = median(ours, repeats);
    printf("%s,%zu,%zu,%zu,%.1f,%.1f,%.3f,%.2f,%.2g\n", NAMES[e], m, n, k, flop / time, flop / median(theirs, repeats),
           median(ratio, repeats), (double)bytes / time * 1e-9, difference);
    fflush(stdout);
    if (weights.format) free((void *)weights.codes);
  }
  return 0;
}
