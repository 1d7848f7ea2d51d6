/*
 * Our encoders against llama.cpp's libggml-base, in one process, on the same rows.
 *
 *   bench LIBGGML_BASE SET ROWS REPEATS [FORMAT ...]
 *
 * Prints CSV: speed is the median over paired, interleaved runs of (their time / our time) on the same data;
 * error is sum w (y - x)^2 of ours over theirs, w = the importance or 1, over ROWS rows of 4096.
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

enum { COLS = 4096, TIMED_ROWS = 32, PEER_ROWS = 8 };

typedef size_t peer_quantize(int type, const float *src, void *dst, int64_t start, int64_t rows, int64_t cols,
                             const float *importance);
typedef void peer_init(int type);

static const struct {
  const char *name;
  int type;
  int needs_importance;
} PEER[] = {{"q8_0", 8, 0},    {"q4_0", 2, 0},     {"q2_K", 10, 0},   {"q3_K", 11, 0},   {"q4_K", 12, 0},  {"q5_K", 13, 0},
            {"q6_K", 14, 0},   {"iq4_nl", 20, 0},  {"iq4_xs", 23, 0}, {"mxfp4", 39, 0},  {"nvfp4", 40, 0}, {"iq2_xxs", 16, 1},
            {"iq2_xs", 17, 1}, {"iq2_s", 22, 0},   {"iq3_xxs", 18, 0}, {"iq3_s", 21, 0}};

static uint64_t state;
static double uniform(void) { /* splitmix64, in (0, 1) */
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}
static double normal(void) { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()); }
static double chi(int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    const double x = normal();
    sum += x * x;
  }
  return sum;
}

static const char *const DISTRIBUTIONS[] = {"normal", "laplace", "t4", "outliers", "fp4"};
enum { DISTRIBUTION_COUNT = 5 };

static void fill(int distribution, float *x, size_t rows) {
  static const double levels[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  state = 1234 + (uint64_t)distribution;
  for (size_t i = 0; i < rows * COLS; i++) switch (distribution) {
      case 0: x[i] = (float)(0.02 * normal()); break;
      case 1: x[i] = (float)(0.02 * log(uniform()) * (uniform() < 0.5 ? 1 : -1)); break;
      case 2: x[i] = (float)(0.02 * normal() / sqrt(chi(4) / 4)); break;
      case 3: x[i] = (float)(0.02 * normal() * (uniform() < 0.005 ? 12 : 1)); break;
      default: break;
    }
  if (distribution != 4) return;
  for (size_t g = 0; g < rows * COLS; g += 32) { /* a scaled normal group, rounded to FP4 with an E8M0 scale */
    const double spread = 0.02 * exp(0.3 * normal());
    double group[32], peak = 0;
    for (int i = 0; i < 32; i++) peak = fmax(peak, fabs(group[i] = spread * normal()));
    const double scale = exp2(floor(log2(peak)) - 2);
    for (int i = 0; i < 32; i++) {
      int best = 0;
      for (int k = 1; k < 8; k++)
        if (fabs(levels[k] - fabs(group[i]) / scale) < fabs(levels[best] - fabs(group[i]) / scale)) best = k;
      x[g + (size_t)i] = (float)(copysign(levels[best], group[i]) * scale);
    }
  }
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

static double weighted_error(const float *x, const float *y, const float *w, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    const double d = (double)y[i] - (double)x[i];
    sum += (w ? w[i % COLS] : 1) * d * d;
  }
  return sum;
}

static const struct kernel_set *find_set(const char *name) {
#define MATCH(set) \
  if (!strcmp(#set, name)) return &v4_kernels_##set;
  V4_SETS(MATCH)
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 5) return fprintf(stderr, "bench LIBGGML_BASE SET ROWS REPEATS [FORMAT ...]\n"), 64;
  void *library = dlopen(argv[1], RTLD_NOW);
  const struct kernel_set *set = find_set(argv[2]);
  const size_t rows = (size_t)atol(argv[3]);
  const int repeats = atoi(argv[4]);
  if (!library || !set || rows < TIMED_ROWS || repeats < 1 || repeats > 99)
    return fprintf(stderr, "bench: %s\n", library ? "unknown set, or ROWS or REPEATS out of range" : dlerror()), 64;
  peer_quantize *quantize = (peer_quantize *)dlsym(library, "ggml_quantize_chunk");
  peer_init *init = (peer_init *)dlsym(library, "ggml_quantize_init");

  float *x = malloc(rows * COLS * 4), *y = malloc(rows * COLS * 4), *w = malloc(COLS * 4);
  uint8_t *ours = malloc(rows * COLS * 4), *theirs = malloc(rows * COLS * 4);
  if (!x || !y || !w || !ours || !theirs) return 71;
  printf("format,importance,distribution,ours_mw_s,peer_mw_s,speed_ratio,error_ratio\n");
  for (size_t p = 0; p < sizeof PEER / sizeof *PEER; p++) {
    const struct format *format = NULL;
    for (size_t f = 0; f < set->format_count; f++)
      if (!strcmp(set->formats[f].name, PEER[p].name)) format = &set->formats[f];
    int wanted = argc == 5;
    for (int a = 5; a < argc; a++) wanted |= !strcmp(argv[a], PEER[p].name);
    if (!format || !format->encode || !wanted) continue;
    init(PEER[p].type);
    for (int kind = PEER[p].needs_importance; kind < 3; kind++) { /* none (ones where it is mandatory), chi-square, log-normal */
      state = 99;
      for (int i = 0; i < COLS; i++) {
        const double z = normal();
        w[i] = kind == 1 ? (float)(z * z + 1e-3) : (float)exp(z);
      }
      float largest = 0;
      for (int i = 0; i < COLS; i++) largest = fmaxf(largest, w[i]);
      int exponent;
      frexpf(largest, &exponent);
      for (int i = 0; i < COLS; i++) w[i] = fmaxf(ldexpf(w[i], -exponent), 0x1p-24f);
      const float *importance = kind ? w : NULL;
      for (int d = 0; d < DISTRIBUTION_COUNT; d++) {
        fill(d, x, rows);
        const size_t count = rows * COLS, bytes = count / format->block_length * format->block_bytes;
        memset(ours, 0, bytes);
        if (set->encode(format, x, count, ours, COLS, importance) != V4_OK) return 70;
        quantize(PEER[p].type, x, theirs, 0, (int64_t)rows, COLS, importance);
        format->decode(ours, y, count / format->block_length);
        const double our_error = weighted_error(x, y, importance, count);
        format->decode(theirs, y, count / format->block_length);
        const double their_error = weighted_error(x, y, importance, count);
        const double error_ratio = our_error == their_error ? 1 : our_error / their_error; /* both may be 0 */
        double ratio[99], speed[99], peer[99];
        for (int r = 0; r < repeats; r++) {
          const double t0 = seconds();
          set->encode(format, x, TIMED_ROWS * COLS, ours, COLS, importance);
          const double t1 = seconds();
          quantize(PEER[p].type, x, theirs, 0, PEER_ROWS, COLS, importance);
          const double t2 = seconds();
          speed[r] = TIMED_ROWS * COLS / (t1 - t0) * 1e-6;
          peer[r] = PEER_ROWS * COLS / (t2 - t1) * 1e-6;
          ratio[r] = speed[r] / peer[r];
        }
        printf("%s,%s,%s,%.1f,%.2f,%.2f,%.4f\n", format->name, kind == 0 ? "none" : kind == 1 ? "chi-square" : "log-normal",
               DISTRIBUTIONS[d], median(speed, repeats), median(peer, repeats), median(ratio, repeats), error_ratio);
        fflush(stdout);
      }
    }
  }
  return 0;
}
