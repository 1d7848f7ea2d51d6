import {
  bool,
  f32,
  f32s,
  type GgufMetadata,
  type GgufValue,
  i32s,
  str,
  u32,
} from "../formats/gguf/values.ts";
import { dataError } from "../lib/errors.ts";
import { checkConfig, type ModelConfig } from "./config.ts";

const ARCH = "deepseek4";
/** llama.cpp's number for sqrt(softplus(x)). */
const GATING_SQRT_SOFTPLUS = 4;

/** Blocks beyond the trunk that a GGUF carries (an MTP block is layer number `layerCount`). */
export interface GgufBlocks {
  readonly drafterBlocks: number;
}

/** The `deepseek4.*` keys of a GGUF: complete for llama.cpp, which computes nonsense in silence without some of them. */
export function architectureMetadata(
  config: ModelConfig,
  { drafterBlocks }: GgufBlocks,
): [string, GgufValue][] {
  const blocks = config.layerCount + drafterBlocks;
  const clamp = Array.from({ length: blocks }, () => config.swigluLimit);
  const ratios = Array.from(
    { length: config.layerCount + Math.max(1, drafterBlocks) },
    (_, i) => config.compressRatios[i] ?? 0,
  );
  const keys: Record<string, GgufValue> = {
    block_count: u32(blocks),
    context_length: u32(config.contextLength),
    embedding_length: u32(config.hiddenSize),
    embedding_length_out: u32(config.mhc.streams * config.hiddenSize),
    vocab_size: u32(config.vocabSize),
    "attention.head_count": u32(config.headCount),
    "attention.head_count_kv": u32(1),
    "attention.key_length": u32(config.headDim),
    "attention.value_length": u32(config.headDim),
    "attention.layer_norm_rms_epsilon": f32(config.rmsNormEpsilon),
    "attention.q_lora_rank": u32(config.qLoraRank),
    "attention.output_group_count": u32(config.outputGroups),
    "attention.output_lora_rank": u32(config.outputLoraRank),
    "attention.sliding_window": u32(config.slidingWindow),
    "attention.compress_ratios": i32s(ratios),
    "attention.compress_rope_freq_base": f32(config.compressRopeTheta),
    "attention.indexer.head_count": u32(config.indexer.headCount),
    "attention.indexer.key_length": u32(config.indexer.headDim),
    "attention.indexer.top_k": u32(config.indexer.topK),
    "rope.dimension_count": u32(config.ropeDim),
    "rope.freq_base": f32(config.ropeTheta),
    "rope.scaling.type": str("yarn"),
    "rope.scaling.factor": f32(config.yarn.factor),
    "rope.scaling.original_context_length": u32(config.yarn.originalContext),
    "rope.scaling.yarn_beta_fast": f32(config.yarn.betaFast),
    "rope.scaling.yarn_beta_slow": f32(config.yarn.betaSlow),
    expert_count: u32(config.expertCount),
    expert_used_count: u32(config.expertsPerToken),
    expert_feed_forward_length: u32(config.expertWidth),
    expert_shared_count: u32(1),
    expert_weights_scale: f32(config.routedScale),
    expert_weights_norm: bool(true),
    expert_gating_func: u32(GATING_SQRT_SOFTPLUS),
    swiglu_clamp_exp: f32s(clamp),
    swiglu_clamp_shexp: f32s(clamp),
    hash_layer_count: u32(config.hashLayerCount),
    "hyper_connection.count": u32(config.mhc.streams),
    "hyper_connection.sinkhorn_iterations": u32(config.mhc.sinkhornIterations),
    "hyper_connection.epsilon": f32(config.mhc.epsilon),
  };
  if (drafterBlocks > 0) keys.nextn_predict_layers = u32(drafterBlocks);
  return Object.entries(keys).map(([key, value]) => [`${ARCH}.${key}`, value]);
}

/** The inverse: the model description of a GGUF, from its keys. */
export function configFromMetadata(metadata: GgufMetadata, file: string): ModelConfig {
  const architecture = metadata.get("general.architecture")?.value;
  if (architecture !== ARCH)
    throw dataError({
      what: "not a DeepSeek-V4 GGUF",
      file,
      expected: `general.architecture ${ARCH}`,
      found: String(architecture),
    });
  const get = (key: string): GgufValue["value"] => {
    const entry = metadata.get(key.includes("tokenizer.") ? key : `${ARCH}.${key}`);
    if (entry === undefined) throw dataError({ what: `the metadata key ${key} is missing`, file });
    return entry.value;
  };
  const number = (key: string): number => {
    const value = get(key);
    if (typeof value === "bigint") return Number(value);
    if (typeof value !== "number") throw dataError({ what: `the metadata key ${key} is not a number`, file });
    return value;
  };
  // f32 keys hold the nearest f32 to the configuration's decimal number: 1e-6 comes back as 9.99e-7.
  const decimal = (key: string): number => Number(number(key).toPrecision(7));
  const ratios = get("attention.compress_ratios");
  const clamp = get("swiglu_clamp_exp");
  const config: ModelConfig = {
    vocabSize: number("vocab_size"),
    hiddenSize: number("embedding_length"),
    layerCount: number("block_count") - Number(metadata.get(`${ARCH}.nextn_predict_layers`)?.value ?? 0),
    headCount: number("attention.head_count"),
    headDim: number("attention.key_length"),
    ropeDim: number("rope.dimension_count"),
    qLoraRank: number("attention.q_lora_rank"),
    outputGroups: number("attention.output_group_count"),
    outputLoraRank: number("attention.output_lora_rank"),
    slidingWindow: number("attention.sliding_window"),
    compressRatios: ratios as readonly number[],
    ropeTheta: decimal("rope.freq_base"),
    compressRopeTheta: decimal("attention.compress_rope_freq_base"),
    yarn: {
      factor: decimal("rope.scaling.factor"),
      originalContext: number("rope.scaling.original_context_length"),
      betaFast: decimal("rope.scaling.yarn_beta_fast"),
      betaSlow: decimal("rope.scaling.yarn_beta_slow"),
    },
    contextLength: number("context_length"),
    indexer: {
      headCount: number("attention.indexer.head_count"),
      headDim: number("attention.indexer.key_length"),
      topK: number("attention.indexer.top_k"),
    },
    mhc: {
      streams: number("hyper_connection.count"),
      sinkhornIterations: number("hyper_connection.sinkhorn_iterations"),
      epsilon: decimal("hyper_connection.epsilon"),
    },
    expertCount: number("expert_count"),
    expertsPerToken: number("expert_used_count"),
    expertWidth: number("expert_feed_forward_length"),
    hashLayerCount: number("hash_layer_count"),
    routedScale: decimal("expert_weights_scale"),
    swigluLimit: Number(Array.isArray(clamp) ? clamp[0] : clamp),
    rmsNormEpsilon: decimal("attention.layer_norm_rms_epsilon"),
    bosId: number("tokenizer.ggml.bos_token_id"),
    eosId: number("tokenizer.ggml.eos_token_id"),
  };
  checkConfig(config, file);
  return config;
}
