import * as v from "valibot";
import { dataError } from "../lib/errors.ts";
import { MAX_EXPERTS, MAX_LAYERS } from "../lib/limits.ts";

/**
 * What a DeepSeek-V4 checkpoint's geometry is, independent of where it was read from (config.json or GGUF keys).
 * Units: counts and dimensions in elements, positions in tokens.
 */
export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Trunk layers; drafter blocks (MTP, DSpark) are not counted. */
  readonly layerCount: number;
  readonly headCount: number;
  readonly headDim: number;
  /** The last this many dimensions of a head are rotated. */
  readonly ropeDim: number;
  readonly qLoraRank: number;
  readonly outputGroups: number;
  readonly outputLoraRank: number;
  readonly slidingWindow: number;
  /** Per layer 0 (sliding window only), 4 (CSA) or 128 (HCA); entries beyond the trunk belong to drafter blocks. */
  readonly compressRatios: readonly number[];
  readonly ropeTheta: number;
  readonly compressRopeTheta: number;
  readonly yarn: {
    readonly factor: number;
    readonly originalContext: number;
    readonly betaFast: number;
    readonly betaSlow: number;
  };
  readonly contextLength: number;
  readonly indexer: { readonly headCount: number; readonly headDim: number; readonly topK: number };
  readonly mhc: { readonly streams: number; readonly sinkhornIterations: number; readonly epsilon: number };
  readonly expertCount: number;
  readonly expertsPerToken: number;
  readonly expertWidth: number;
  readonly hashLayerCount: number;
  readonly routedScale: number;
  readonly swigluLimit: number;
  readonly rmsNormEpsilon: number;
  readonly bosId: number;
  readonly eosId: number;
  /** FP8 block [rows, columns] where the configuration states it. */
  readonly fp8Block?: readonly [number, number];
  /** Present in releases with the DSpark drafter (0731, 0813). */
  readonly dspark?: {
    readonly blockSize: number;
    readonly targetLayers: readonly number[];
    readonly markovRank: number;
  };
}

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const index = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));

/** The keys of config.json that inference depends on. Every one must be there: defaults found in ports are wrong. */
const ConfigJson = v.object({
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: v.pipe(size, v.maxValue(MAX_LAYERS)),
  num_attention_heads: size,
  num_key_value_heads: v.literal(1),
  head_dim: size,
  qk_rope_head_dim: size,
  q_lora_rank: size,
  o_groups: size,
  o_lora_rank: size,
  sliding_window: size,
  compress_ratios: v.pipe(v.array(index), v.maxLength(2 * MAX_LAYERS)),
  rope_theta: positive,
  compress_rope_theta: positive,
  rope_scaling: v.object({
    type: v.literal("yarn"),
    factor: positive,
    original_max_position_embeddings: size,
    beta_fast: positive,
    beta_slow: positive,
  }),
  max_position_embeddings: size,
  index_n_heads: size,
  index_head_dim: size,
  index_topk: size,
  hc_mult: size,
  hc_sinkhorn_iters: size,
  hc_eps: positive,
  n_routed_experts: v.pipe(size, v.maxValue(MAX_EXPERTS)),
  n_shared_experts: v.literal(1),
  num_experts_per_tok: size,
  moe_intermediate_size: size,
  num_hash_layers: index,
  scoring_func: v.literal("sqrtsoftplus"),
  norm_topk_prob: v.literal(true),
  routed_scaling_factor: positive,
  swiglu_limit: positive,
  rms_norm_eps: positive,
  tie_word_embeddings: v.optional(v.literal(false)),
  bos_token_id: index,
  eos_token_id: index,
  quantization_config: v.optional(v.object({ weight_block_size: v.optional(v.tuple([size, size])) })),
  dspark_block_size: v.optional(size),
  dspark_target_layer_ids: v.optional(v.array(index)),
  dspark_markov_rank: v.optional(size),
});

/** Interprets a parsed config.json. Another architecture, V4.1 and a config re-saved by transformers are named as such. */
export function parseConfig(json: unknown, file: string): ModelConfig {
  refuseOtherModels(json, file);
  const parsed = v.safeParse(ConfigJson, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw dataError({
      what: `the key ${v.getDotPath(issue) ?? "(root)"} is missing or wrong`,
      file,
      expected: issue.expected ?? issue.message,
      found: issue.received,
    });
  }
  const c = parsed.output;
  const config: ModelConfig = {
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    layerCount: c.num_hidden_layers,
    headCount: c.num_attention_heads,
    headDim: c.head_dim,
    ropeDim: c.qk_rope_head_dim,
    qLoraRank: c.q_lora_rank,
    outputGroups: c.o_groups,
    outputLoraRank: c.o_lora_rank,
    slidingWindow: c.sliding_window,
    compressRatios: c.compress_ratios,
    ropeTheta: c.rope_theta,
    compressRopeTheta: c.compress_rope_theta,
    yarn: {
      factor: c.rope_scaling.factor,
      originalContext: c.rope_scaling.original_max_position_embeddings,
      betaFast: c.rope_scaling.beta_fast,
      betaSlow: c.rope_scaling.beta_slow,
    },
    contextLength: c.max_position_embeddings,
    indexer: { headCount: c.index_n_heads, headDim: c.index_head_dim, topK: c.index_topk },
    mhc: { streams: c.hc_mult, sinkhornIterations: c.hc_sinkhorn_iters, epsilon: c.hc_eps },
    expertCount: c.n_routed_experts,
    expertsPerToken: c.num_experts_per_tok,
    expertWidth: c.moe_intermediate_size,
    hashLayerCount: c.num_hash_layers,
    routedScale: c.routed_scaling_factor,
    swigluLimit: c.swiglu_limit,
    rmsNormEpsilon: c.rms_norm_eps,
    bosId: c.bos_token_id,
    eosId: c.eos_token_id,
    ...(c.quantization_config?.weight_block_size && { fp8Block: c.quantization_config.weight_block_size }),
    ...(c.dspark_block_size !== undefined && {
      dspark: {
        blockSize: c.dspark_block_size,
        targetLayers: c.dspark_target_layer_ids ?? [],
        markovRank: c.dspark_markov_rank ?? 0,
      },
    }),
  };
  checkConfig(config, file);
  return config;
}

function refuseOtherModels(json: unknown, file: string): void {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw dataError({ what: "the configuration is not a JSON object", file });
  const keys = json as Record<string, unknown>;
  if (keys.model_type === "deepseek_v41")
    throw dataError({
      what:
        "this is DeepSeek-V4.1, another architecture: encoder and decoder layers that share their KV, two-level top-k, " +
        "engram tables, 32x32 FP8 blocks, no hash routing, a vision tower; v4kit handles DeepSeek-V4 only",
      file,
      expected: "model_type deepseek_v4",
      found: "deepseek_v41",
    });
  if (keys.model_type !== "deepseek_v4")
    throw dataError({
      what: "not a DeepSeek-V4 checkpoint",
      file,
      expected: "model_type deepseek_v4",
      found: String(keys.model_type),
    });
  if (keys.compress_rates !== undefined || keys.rope_parameters !== undefined)
    throw dataError({
      what: "this config.json was re-saved by transformers (compress_rates, rope_parameters), which other engines refuse too",
      file,
      expected: "the keys compress_ratios and rope_scaling of the official release",
      next: "use the official config.json beside these weights",
    });
}

/** The relations between dimensions that the forward pass and every engine rely on. */
export function checkConfig(config: ModelConfig, file: string): void {
  const { compressRatios, layerCount } = config;
  const fail = (what: string, expected: string, found: string): never => {
    throw dataError({ what, file, expected, found });
  };
  if (compressRatios.length < layerCount)
    fail(
      "compress_ratios has the wrong length",
      `at least ${layerCount} entries, one per layer`,
      String(compressRatios.length),
    );
  const odd = compressRatios.find((ratio) => ratio !== 0 && ratio !== 4 && ratio !== 128);
  if (odd !== undefined) fail("compress_ratios has an unknown value", "0, 4 or 128", String(odd));
  const drafter = compressRatios.slice(layerCount).find((ratio) => ratio !== 0);
  if (drafter !== undefined || compressRatios.length > layerCount + 8)
    fail(
      "compress_ratios does not fit num_hidden_layers",
      `${layerCount} entries and a few zeros for drafter blocks`,
      `${compressRatios.length} entries${drafter === undefined ? "" : `, the surplus not zero`}`,
    );
  if (config.headCount % config.outputGroups !== 0)
    fail(
      "o_groups does not divide num_attention_heads",
      `a divisor of ${config.headCount}`,
      String(config.outputGroups),
    );
  if (config.ropeDim > config.headDim || config.ropeDim % 2 !== 0)
    fail(
      "qk_rope_head_dim does not fit head_dim",
      `an even number up to ${config.headDim}`,
      String(config.ropeDim),
    );
  if (config.expertsPerToken > config.expertCount)
    fail(
      "num_experts_per_tok exceeds n_routed_experts",
      `at most ${config.expertCount}`,
      String(config.expertsPerToken),
    );
  if (config.hashLayerCount > layerCount)
    fail("num_hash_layers exceeds num_hidden_layers", `at most ${layerCount}`, String(config.hashLayerCount));
}

/** What a layer's attention is, by its compression ratio. */
export type AttentionKind = "swa" | "csa" | "hca";
export const attentionKind = (ratio: number): AttentionKind =>
  ratio === 0 ? "swa" : ratio === 4 ? "csa" : "hca";
