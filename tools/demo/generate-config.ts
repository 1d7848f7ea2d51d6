import { usageError } from "../lib/errors.ts";
import { MIN_VOCAB } from "./generate-tokenizer.ts";

/** Dimensions of a generated checkpoint, in config.json's terms. */
export interface GeneratedDims {
  readonly hiddenSize: number;
  readonly layerCount: number;
  readonly hashLayerCount: number;
  readonly headCount: number;
  readonly headDim: number;
  readonly qLoraRank: number;
  readonly outputGroups: number;
  readonly outputLoraRank: number;
  readonly slidingWindow: number;
  readonly expertCount: number;
  readonly expertsPerToken: number;
  readonly expertWidth: number;
  readonly indexerHeads: number;
  readonly indexerTopK: number;
  readonly vocabSize: number;
  /** 1 adds a classic MTP block. */
  readonly mtpBlocks: 0 | 1;
}

/** Small enough for tests; every width a multiple of 256, so that every block format fits. */
export const TINY_DIMS: GeneratedDims = {
  hiddenSize: 256,
  layerCount: 4,
  hashLayerCount: 1,
  headCount: 4,
  headDim: 128,
  qLoraRank: 256,
  outputGroups: 2,
  outputLoraRank: 128,
  slidingWindow: 64,
  expertCount: 8,
  expertsPerToken: 2,
  expertWidth: 256,
  indexerHeads: 16,
  indexerTopK: 64,
  vocabSize: 512,
  mtpBlocks: 1,
};

/** Flash's real layer dimensions with few layers and a small vocabulary: about 3.3 GB per 1 layer of 256 experts. */
export const FLASH_LAYER_DIMS: GeneratedDims = {
  hiddenSize: 4096,
  layerCount: 1,
  hashLayerCount: 1,
  headCount: 64,
  headDim: 512,
  qLoraRank: 1024,
  outputGroups: 8,
  outputLoraRank: 1024,
  slidingWindow: 128,
  expertCount: 256,
  expertsPerToken: 6,
  expertWidth: 2048,
  indexerHeads: 64,
  indexerTopK: 512,
  vocabSize: 2048,
  mtpBlocks: 0,
};

/** Sliding window first, then CSA and HCA in turn, as Flash has it; one surplus entry for the MTP block. */
function ratiosOf(layerCount: number): number[] {
  return [...Array.from({ length: layerCount }, (_, i) => (i === 0 ? 0 : i % 2 === 1 ? 4 : 128)), 0];
}

/** The config.json of a generated checkpoint. */
export function generateConfig(
  dims: GeneratedDims,
  expertDtype: "fp4" | "fp8" | undefined,
): Record<string, unknown> {
  const multiple = (name: keyof GeneratedDims, unit: number): void => {
    if (dims[name] < 1 || dims[name] % unit !== 0)
      throw usageError({
        what: `${name} does not fit the blocks of the formats`,
        expected: `a multiple of ${unit}`,
        found: String(dims[name]),
      });
  };
  for (const name of ["hiddenSize", "expertWidth", "qLoraRank"] as const) multiple(name, 128);
  if (dims.vocabSize < MIN_VOCAB)
    throw usageError({
      what: "vocabSize is too small",
      expected: `at least ${MIN_VOCAB}`,
      found: String(dims.vocabSize),
    });
  return {
    architectures: ["DeepseekV4ForCausalLM"],
    attention_bias: false,
    attention_dropout: 0.0,
    bos_token_id: 0,
    eos_token_id: 1,
    ...(expertDtype && { expert_dtype: expertDtype }),
    hc_eps: 1e-6,
    hc_mult: 4,
    hc_sinkhorn_iters: 20,
    head_dim: dims.headDim,
    hidden_act: "silu",
    hidden_size: dims.hiddenSize,
    index_head_dim: 128,
    index_n_heads: dims.indexerHeads,
    index_topk: dims.indexerTopK,
    initializer_range: 0.02,
    max_position_embeddings: 1048576,
    model_type: "deepseek_v4",
    moe_intermediate_size: dims.expertWidth,
    n_routed_experts: dims.expertCount,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: dims.headCount,
    num_experts_per_tok: dims.expertsPerToken,
    num_hidden_layers: dims.layerCount,
    num_hash_layers: dims.hashLayerCount,
    num_key_value_heads: 1,
    num_nextn_predict_layers: dims.mtpBlocks,
    o_groups: dims.outputGroups,
    o_lora_rank: dims.outputLoraRank,
    q_lora_rank: dims.qLoraRank,
    qk_rope_head_dim: 64,
    ...(expertDtype && {
      quantization_config: {
        activation_scheme: "dynamic",
        fmt: "e4m3",
        quant_method: "fp8",
        scale_fmt: "ue8m0",
        weight_block_size: [128, 128],
      },
    }),
    rms_norm_eps: 1e-6,
    rope_scaling: {
      beta_fast: 32,
      beta_slow: 1,
      factor: 16,
      original_max_position_embeddings: 65536,
      type: "yarn",
    },
    rope_theta: 10000,
    routed_scaling_factor: 1.5,
    scoring_func: "sqrtsoftplus",
    sliding_window: dims.slidingWindow,
    swiglu_limit: 10.0,
    tie_word_embeddings: false,
    topk_method: "noaux_tc",
    torch_dtype: "bfloat16",
    transformers_version: "4.57.1",
    use_cache: true,
    vocab_size: dims.vocabSize,
    compress_rope_theta: 160000,
    compress_ratios: ratiosOf(dims.layerCount),
  };
}
