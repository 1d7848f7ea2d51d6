/**
 * hf_quant_config.json of a checkpoint whose routed experts are ModelOpt NVFP4. Loaders look at the producer's name; the
 * version says who wrote it. Whatever is not listed is as in the release, which the patterns repeat for older loaders.
 */
export function modelOptConfig(modules: readonly string[], version: string): object {
  return {
    producer: { name: "modelopt", version },
    quantization: {
      quant_algo: "MIXED_PRECISION",
      kv_cache_quant_algo: null,
      group_size: 16,
      quantized_layers: Object.fromEntries(
        modules.map((module) => [module, { quant_algo: "NVFP4", group_size: 16 }]),
      ),
      exclude_modules: [
        "*.attn.*",
        "*.attn_norm.*",
        "*.ffn.shared_experts.*",
        "*.ffn.gate.*",
        "*.ffn_norm.*",
        "embed.weight",
        "head.weight",
        "*.hc_*",
        "*.h_proj.*",
        "*.e_proj.*",
        "*.enorm.*",
        "*.hnorm.*",
        "mtp.*.norm.*",
        "norm.weight",
      ],
    },
  };
}
