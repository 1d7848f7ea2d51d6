/*
 * How long llama.cpp's own library takes for a prompt and for the tokens after it.
 *
 *   llama-speed LIBDIR MODEL.gguf TOKENS.i32 DECODED THREADS
 *
 * Prints the seconds of the prompt and of DECODED single tokens. A first, unmeasured prompt brings the weights into
 * memory. Its default settings are kept: an F16 cache, flash attention where it has it, repacked weights.
 * Exit codes: 3 another layout, 4 the model does not load, 5 no context, 6 decoding failed.
 */
#include <time.h>

#include "llama-abi.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  static int32_t tokens[MAX_TOKENS];
  const int32_t count = read_tokens(argv[3], tokens), decoded = atoi(argv[4]);
  void *model = load_model(argv[1], argv[2], true);
  struct context_params cp = llama_context_default_params();
  cp.context = (uint32_t)((count + decoded + 511) / 256 * 256);
  cp.batch = (uint32_t)count;
  cp.threads = cp.batch_threads = atoi(argv[5]);
  for (int measured = 0; measured < 2; measured++) {
    void *context = llama_init_from_model(model, cp);
    if (!context) return 5;
    const double start = now();
    if (llama_decode(context, batch_of(tokens, count, 0, false)) != 0) return 6;
    const double filled = now();
    for (int32_t i = 0; measured && i < decoded; i++)
      if (llama_decode(context, batch_of(tokens + i % count, 1, count + i, false)) != 0) return 6;
    if (measured) printf("%.6f %.6f\n", filled - start, now() - filled);
    llama_free(context);
  }
  return 0;
}
