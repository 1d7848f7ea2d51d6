/*
 * The part of llama.cpp's interface that our drivers use. The prebuilt library comes without headers: the structures
 * restate the parameter layout of release v0.5.0, and known_layout() compares a few defaults with what they must be.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { TYPE_F32 = 0, LOG_WARN = 3, MAX_TOKENS = 1 << 16 };

struct model_params {
  void *devices, *tensor_buffer_overrides;
  int32_t gpu_layers, split_mode, load_mode, lazy_mode, main_gpu;
  const float *tensor_split;
  void *progress, *progress_data, *kv_overrides;
  bool vocab_only, check_tensors, extra_buffers, no_host, no_alloc, load_mtp;
};

struct context_params {
  uint32_t context, batch, micro_batch, sequences, recurrent, outputs, outputs_per_sequence;
  int32_t threads, batch_threads, context_type, rope_type, pooling, attention, flash_attention;
  float rope_base, rope_scale, yarn_ext, yarn_attn, yarn_fast, yarn_slow;
  uint32_t yarn_original;
  float defrag;
  void *callback, *callback_data;
  int32_t type_k, type_v;
  void *abort_callback, *abort_data;
  bool embeddings, offload_kv, no_perf, op_offload, swa_full, unified;
  void *samplers;
  size_t sampler_count;
  void *other;
};

struct batch {
  int32_t count, *token;
  float *embedding;
  int32_t *position, *sequence_count, **sequence;
  int8_t *wanted;
};

extern struct model_params llama_model_default_params(void);
extern struct context_params llama_context_default_params(void);
extern void llama_backend_init(void);
extern void ggml_backend_load_all_from_path(const char *);
extern void *llama_model_load_from_file(const char *, struct model_params);
extern void *llama_init_from_model(void *, struct context_params);
extern struct batch llama_batch_init(int32_t, int32_t, int32_t);
extern int32_t llama_decode(void *, struct batch);
extern float *llama_get_logits_ith(void *, int32_t);
extern const void *llama_model_get_vocab(void *);
extern int32_t llama_vocab_n_tokens(const void *);
extern void llama_free(void *);
extern void llama_log_set(void (*)(int, const char *, void *), void *);

static void log_errors(int level, const char *text, void *unused) {
  (void)unused;
  if (level > LOG_WARN) fputs(text, stderr);
}

static bool known_layout(struct model_params m, struct context_params c) {
  return c.context == 512 && c.batch == 2048 && c.micro_batch == 512 && c.sequences == 1 && c.outputs_per_sequence == 1 &&
         c.yarn_ext == -1.0f && c.type_k == 1 && c.type_v == 1 && c.no_perf && m.load_mode == -1 && m.extra_buffers;
}

/* Loads the library's backends and a model; exits with 3 for another layout, 4 if the model does not load. */
static void *load_model(const char *libraries, const char *path, bool repack) {
  llama_log_set(log_errors, NULL);
  llama_backend_init();
  ggml_backend_load_all_from_path(libraries);
  struct model_params mp = llama_model_default_params();
  if (!known_layout(mp, llama_context_default_params())) exit(3);
  mp.extra_buffers = repack;
  mp.gpu_layers = 0;
  void *model = llama_model_load_from_file(path, mp);
  if (!model) exit(4);
  return model;
}

/* A batch of one sequence; logits are wanted of all tokens, or of the last alone. */
static struct batch batch_of(const int32_t *tokens, int32_t count, int32_t position, bool all) {
  struct batch batch = llama_batch_init(count, 0, 1);
  batch.count = count;
  for (int32_t i = 0; i < count; i++) {
    batch.token[i] = tokens[i];
    batch.position[i] = position + i;
    batch.sequence_count[i] = 1;
    batch.sequence[i][0] = 0;
    batch.wanted[i] = all || i == count - 1;
  }
  return batch;
}

static int32_t read_tokens(const char *path, int32_t *tokens) {
  FILE *in = fopen(path, "rb");
  if (!in) exit(2);
  const int32_t count = (int32_t)fread(tokens, sizeof *tokens, MAX_TOKENS, in);
  fclose(in);
  return count;
}
