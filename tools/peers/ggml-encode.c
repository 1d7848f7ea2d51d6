/*
 * llama.cpp's encoders, timed and judged one request at a time: the peer of our own.
 *
 *   ggml-encode LIBGGML_BASE
 *
 * Reads lines `TYPE ROWS COLS X.f32 IMPORTANCE.f32|- OUT|-` and answers each with the seconds that
 * ggml_quantize_chunk took; the blocks go to OUT. Files stay in memory while their names are the same.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef size_t quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t rows, int64_t cols,
                              const float *importance);

struct file {
  char name[1024];
  float *data;
};

static const float *load(struct file *file, const char *name, size_t count) {
  if (!strcmp(name, "-")) return NULL;
  if (strcmp(file->name, name) != 0) {
    FILE *in = fopen(name, "rb");
    free(file->data);
    file->data = malloc(count * sizeof(float));
    if (!in || !file->data || fread(file->data, sizeof(float), count, in) != count) exit(66);
    fclose(in);
    snprintf(file->name, sizeof file->name, "%s", name);
  }
  return file->data;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
  void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (!library) return 64;
  quantize_chunk *quantize = (quantize_chunk *)dlsym(library, "ggml_quantize_chunk");
  void (*prepare)(int) = (void (*)(int))dlsym(library, "ggml_quantize_init");
  if (!quantize || !prepare) return 69;
  static struct file x, importance;
  int type;
  size_t rows, cols;
  char x_name[1024], importance_name[1024], out_name[1024];
  while (scanf("%d %zu %zu %1023s %1023s %1023s", &type, &rows, &cols, x_name, importance_name, out_name) == 6) {
    const float *src = load(&x, x_name, rows * cols), *weights = load(&importance, importance_name, cols);
    void *dst = malloc(rows * cols * sizeof(float)); /* no format is larger than its source */
    if (!dst) return 71;
    prepare(type);
    const double start = seconds();
    const size_t bytes = quantize(type, src, dst, 0, (int64_t)rows, (int64_t)cols, weights);
    const double elapsed = seconds() - start;
    if (strcmp(out_name, "-") != 0) {
      FILE *out = fopen(out_name, "wb");
      if (!out || fwrite(dst, 1, bytes, out) != bytes || fclose(out) != 0) return 74;
    }
    free(dst);
    printf("%.9f\n", elapsed);
    fflush(stdout);
  }
  return 0;
}
