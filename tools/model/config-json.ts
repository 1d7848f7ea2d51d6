import type { JsonMembers } from "../lib/json-members.ts";
import type { ModelConfig } from "./config.ts";

/** Keys that readers with types take as floats: a whole number would be refused there. */
const FLOATS = new Set([
  "attention_dropout",
  "hc_eps",
  "initializer_range",
  "rms_norm_eps",
  "routed_scaling_factor",
  "swiglu_limit",
]);

/**
 * The inverse of `parseConfig`: config.json of a checkpoint that came without one, with the keys and the order of the
 * releases. It says nothing of how weights are stored, save the FP8 block where the geometry states it.
 */
export function configMembers(config: ModelConfig): JsonMembers {
  const { dspark, fp8Block, indexer, mhc, yarn } = config;
  const keys: Readonly<Record<string, unknown>> = {
    architectures: ["DeepseekV4ForCausalLM"],
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: config.bosId,
    eos_token_id: config.eosId,
    hc_eps: mhc.epsilon,
    hc_mult: mhc.streams,
    hc_sinkhorn_iters: mhc.sinkhornIterations,
    head_dim: config.headDim,
    hidden_act: "silu",
    hidden_size: config.hiddenSize,
    index_head_dim: indexer.headDim,
    index_n_heads: indexer.headCount,
    index_topk: indexer.topK,
    initializer_range: 0.02,
    max_position_embeddings: config.contextLength,
    model_type: "deepseek_v4",
    moe_intermediate_size: config.expertWidth,
    n_routed_experts: config.expertCount,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: config.headCount,
    num_experts_per_tok: config.expertsPerToken,
    num_hash_layers: config.hashLayerCount,
    num_hidden_layers: config.layerCount,
    num_key_value_heads: 1,
    num_nextn_predict_layers: 1,
    o_groups: config.outputGroups,
    o_lora_rank: config.outputLoraRank,
    q_lora_rank: config.qLoraRank,
    qk_rope_head_dim: config.ropeDim,
    ...(fp8Block && { quantization_config: { weight_block_size: fp8Block } }),
    rms_norm_eps: config.rmsNormEpsilon,
    rope_scaling: {
      beta_fast: yarn.betaFast,
      beta_slow: yarn.betaSlow,
      factor: yarn.factor,
      original_max_position_embeddings: yarn.originalContext,
      type: "yarn",
    },
    rope_theta: config.ropeTheta,
    routed_scaling_factor: config.routedScale,
    scoring_func: "sqrtsoftplus",
    sliding_window: config.slidingWindow,
    swiglu_limit: config.swigluLimit,
    tie_word_embeddings: false,
    topk_method: "noaux_tc",
    torch_dtype: "bfloat16",
    use_cache: true,
    vocab_size: config.vocabSize,
    compress_rope_theta: config.compressRopeTheta,
    compress_ratios: config.compressRatios,
    ...(dspark && {
      dspark_block_size: dspark.blockSize,
      dspark_target_layer_ids: dspark.targetLayers,
      dspark_markov_rank: dspark.markovRank,
    }),
  };
  return new Map(
    Object.entries(keys).map(([key, value]) => {
      const text = JSON.stringify(value, null, 2);
      return [key, FLOATS.has(key) && Number.isInteger(value) ? `${text}.0` : text];
    }),
  );
}
