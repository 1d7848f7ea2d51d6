/*
 * Logits of every position of a token sequence, computed by llama.cpp's own library: the judge of the files we write.
 *
 *   llama-logits LIBDIR MODEL.gguf TOKENS.i32 OUT.f32
 *
 * Without tokens the model is loaded and that is all: a drafter's file can be judged no further on its own.
 *
 * Exit codes: 3 another layout, 4 the model does not load, 5 no context, 6 decoding failed.
 */
#include "llama-abi.h"

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  static int32_t tokens[MAX_TOKENS];
  const int32_t count = read_tokens(argv[3], tokens);
  void *model = load_model(argv[1], argv[2], false); /* no repacked weights: the plain kernels are the reference */
  FILE *out = fopen(argv[4], "wb");
  if (!out) return 2;
  if (count == 0) return fclose(out);

  struct context_params cp = llama_context_default_params();
  cp.context = (uint32_t)((count + 511) / 256 * 256);
  cp.batch = cp.outputs = cp.outputs_per_sequence = (uint32_t)count;
  cp.type_k = cp.type_v = TYPE_F32; /* an F16 cache alone costs more than our limits */
  cp.flash_attention = 0;
  cp.threads = cp.batch_threads = 2;
  void *context = llama_init_from_model(model, cp);
  if (!context) return 5;

  if (llama_decode(context, batch_of(tokens, count, 0, true)) != 0) return 6;
  int32_t vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  for (int32_t i = 0; i < count; i++) fwrite(llama_get_logits_ith(context, i), sizeof(float), (size_t)vocab, out);
  return fclose(out) == 0 ? 0 : 2;
}
