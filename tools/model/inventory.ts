import type { ModelConfig } from "./config.ts";

/**
 * Every tensor of a DeepSeek-V4 checkpoint: its official name, what it is, how it may be stored, its shape, and its
 * name in a `deepseek4` GGUF. One row per tensor; the census, the recipes and both name maps read this table.
 */

/** What a tensor is to the model: the unit of recipes and reports. */
export type TensorRole =
  | "embed"
  | "head"
  | "norm"
  | "mhc"
  | "sink"
  | "attention"
  | "compressor"
  | "ape"
  | "indexer"
  | "router"
  | "router_bias"
  | "tid2eid"
  | "expert"
  | "shared_expert"
  | "mtp"
  | "dspark";

/**
 * How a tensor may be stored. `matrix`: F8_E4M3 with block scales, or plain BF16/F16/F32. `expert`: the same, or
 * I8 holding packed FP4 with group scales. `float`: BF16, F16 or F32. `f32`: F32 only. `table`: I64 or I32.
 */
export type StorageClass = "matrix" | "expert" | "float" | "f32" | "table";

/** Roles that are never quantized, whatever a recipe says: a few MB that decide whether the model works at all. */
export const PINNED_ROLES: ReadonlySet<TensorRole> = new Set([
  "norm",
  "mhc",
  "sink",
  "router",
  "router_bias",
  "tid2eid",
  "ape",
]);

/** Where a tensor lives: outside the layers, in a trunk layer, or in a drafter block. */
export type BlockRef = { readonly kind: "root" } | { readonly kind: "layer" | "mtp"; readonly index: number };

export interface TensorSpec {
  /** Official name. */
  readonly name: string;
  readonly role: TensorRole;
  /** The part within its role, e.g. `w1`, `wq_a`, `hc_attn_fn`. */
  readonly part: string;
  readonly storage: StorageClass;
  /** Logical shape, `[out, in]` for matrices. */
  readonly shape: readonly number[];
  readonly block: BlockRef;
  readonly expert?: number;
  /** GGUF tensor name; the tensors of a stack (experts) and the halves of a fusion share one. */
  readonly gguf?: string;
}

/** Which drafter a checkpoint carries; decided by its tensor names, since the configs are unreliable about it. */
export type Drafter = "none" | "mtp" | "dspark";

interface Row {
  /** Official name without the block prefix. */
  readonly stem: string;
  readonly role: TensorRole;
  readonly part: string;
  readonly storage: StorageClass;
  readonly shape: (config: ModelConfig, ratio: number) => readonly number[];
  /** GGUF name without `blk.N.`; root names stand whole. */
  readonly gguf?: string;
  readonly only?: (layer: LayerTraits) => boolean;
}

interface LayerTraits {
  readonly ratio: number;
  readonly hash: boolean;
}

const row = (
  stem: string,
  role: TensorRole,
  storage: StorageClass,
  shape: Row["shape"],
  gguf?: string,
  only?: Row["only"],
): Row => ({
  stem,
  role,
  part: stem
    .replace(/\.weight$/, "")
    .split(".")
    .at(-1) as string,
  storage,
  shape,
  ...(gguf !== undefined && { gguf }),
  ...(only && { only }),
});

const mixRows = (c: ModelConfig): number => (2 + c.mhc.streams) * c.mhc.streams;
const streamsWidth = (c: ModelConfig): number => c.mhc.streams * c.hiddenSize;
/** CSA rows pool two overlapping halves, so its projections are twice as wide. */
const halves = (ratio: number): number => (ratio === 4 ? 2 : 1);
const compressed = ({ ratio }: LayerTraits): boolean => ratio !== 0;
const indexed = ({ ratio }: LayerTraits): boolean => ratio === 4;

const ROOT: readonly Row[] = [
  row("embed.weight", "embed", "float", (c) => [c.vocabSize, c.hiddenSize], "token_embd.weight"),
  row("norm.weight", "norm", "float", (c) => [c.hiddenSize], "output_norm.weight"),
  row("head.weight", "head", "float", (c) => [c.vocabSize, c.hiddenSize], "output.weight"),
  row("hc_head_fn", "mhc", "f32", (c) => [c.mhc.streams, streamsWidth(c)], "output_hc_fn.weight"),
  row("hc_head_base", "mhc", "f32", (c) => [c.mhc.streams], "output_hc_base.weight"),
  row("hc_head_scale", "mhc", "f32", () => [1], "output_hc_scale.weight"),
];

const LAYER: readonly Row[] = [
  row("hc_attn_fn", "mhc", "f32", (c) => [mixRows(c), streamsWidth(c)], "hc_attn_fn.weight"),
  row("hc_attn_base", "mhc", "f32", (c) => [mixRows(c)], "hc_attn_base.weight"),
  row("hc_attn_scale", "mhc", "f32", () => [3], "hc_attn_scale.weight"),
  row("attn_norm.weight", "norm", "float", (c) => [c.hiddenSize], "attn_norm.weight"),
  row("attn.attn_sink", "sink", "f32", (c) => [c.headCount], "attn_sinks.weight"),
  row("attn.wq_a.weight", "attention", "matrix", (c) => [c.qLoraRank, c.hiddenSize], "attn_q_a.weight"),
  row("attn.q_norm.weight", "norm", "float", (c) => [c.qLoraRank], "attn_q_a_norm.weight"),
  row(
    "attn.wq_b.weight",
    "attention",
    "matrix",
    (c) => [c.headCount * c.headDim, c.qLoraRank],
    "attn_q_b.weight",
  ),
  row("attn.wkv.weight", "attention", "matrix", (c) => [c.headDim, c.hiddenSize], "attn_kv.weight"),
  row("attn.kv_norm.weight", "norm", "float", (c) => [c.headDim], "attn_kv_a_norm.weight"),
  row(
    "attn.wo_a.weight",
    "attention",
    "matrix",
    (c) => [c.outputGroups * c.outputLoraRank, (c.headCount * c.headDim) / c.outputGroups],
    "attn_output_a.weight",
  ),
  row(
    "attn.wo_b.weight",
    "attention",
    "matrix",
    (c) => [c.hiddenSize, c.outputGroups * c.outputLoraRank],
    "attn_output_b.weight",
  ),
  row(
    "attn.compressor.wkv.weight",
    "compressor",
    "float",
    (c, r) => [halves(r) * c.headDim, c.hiddenSize],
    "attn_compressor_kv.weight",
    compressed,
  ),
  row(
    "attn.compressor.wgate.weight",
    "compressor",
    "float",
    (c, r) => [halves(r) * c.headDim, c.hiddenSize],
    "attn_compressor_gate.weight",
    compressed,
  ),
  row(
    "attn.compressor.ape",
    "ape",
    "f32",
    (c, r) => [r, halves(r) * c.headDim],
    "attn_compressor_ape.weight",
    compressed,
  ),
  row(
    "attn.compressor.norm.weight",
    "norm",
    "float",
    (c) => [c.headDim],
    "attn_compressor_norm.weight",
    compressed,
  ),
  row(
    "attn.indexer.wq_b.weight",
    "indexer",
    "matrix",
    (c) => [c.indexer.headCount * c.indexer.headDim, c.qLoraRank],
    "indexer.attn_q_b.weight",
    indexed,
  ),
  row(
    "attn.indexer.weights_proj.weight",
    "indexer",
    "float",
    (c) => [c.indexer.headCount, c.hiddenSize],
    "indexer.proj.weight",
    indexed,
  ),
  row(
    "attn.indexer.compressor.wkv.weight",
    "compressor",
    "float",
    (c, r) => [halves(r) * c.indexer.headDim, c.hiddenSize],
    "indexer_compressor_kv.weight",
    indexed,
  ),
  row(
    "attn.indexer.compressor.wgate.weight",
    "compressor",
    "float",
    (c, r) => [halves(r) * c.indexer.headDim, c.hiddenSize],
    "indexer_compressor_gate.weight",
    indexed,
  ),
  row(
    "attn.indexer.compressor.ape",
    "ape",
    "f32",
    (c, r) => [r, halves(r) * c.indexer.headDim],
    "indexer_compressor_ape.weight",
    indexed,
  ),
  row(
    "attn.indexer.compressor.norm.weight",
    "norm",
    "float",
    (c) => [c.indexer.headDim],
    "indexer_compressor_norm.weight",
    indexed,
  ),
  row("hc_ffn_fn", "mhc", "f32", (c) => [mixRows(c), streamsWidth(c)], "hc_ffn_fn.weight"),
  row("hc_ffn_base", "mhc", "f32", (c) => [mixRows(c)], "hc_ffn_base.weight"),
  row("hc_ffn_scale", "mhc", "f32", () => [3], "hc_ffn_scale.weight"),
  row("ffn_norm.weight", "norm", "float", (c) => [c.hiddenSize], "ffn_norm.weight"),
  row("ffn.gate.weight", "router", "float", (c) => [c.expertCount, c.hiddenSize], "ffn_gate_inp.weight"),
  row(
    "ffn.gate.bias",
    "router_bias",
    "f32",
    (c) => [c.expertCount],
    "exp_probs_b.bias",
    ({ hash }) => !hash,
  ),
  row(
    "ffn.gate.tid2eid",
    "tid2eid",
    "table",
    (c) => [c.vocabSize, c.expertsPerToken],
    "ffn_gate_tid2eid.weight",
    ({ hash }) => hash,
  ),
  row(
    "ffn.shared_experts.w1.weight",
    "shared_expert",
    "matrix",
    (c) => [c.expertWidth, c.hiddenSize],
    "ffn_gate_shexp.weight",
  ),
  row(
    "ffn.shared_experts.w3.weight",
    "shared_expert",
    "matrix",
    (c) => [c.expertWidth, c.hiddenSize],
    "ffn_up_shexp.weight",
  ),
  row(
    "ffn.shared_experts.w2.weight",
    "shared_expert",
    "matrix",
    (c) => [c.hiddenSize, c.expertWidth],
    "ffn_down_shexp.weight",
  ),
];

/** Repeated for every routed expert as `ffn.experts.{e}.` + stem; in a GGUF stacked by ascending id. */
const EXPERT: readonly Row[] = [
  row("w1.weight", "expert", "expert", (c) => [c.expertWidth, c.hiddenSize], "ffn_gate_exps.weight"),
  row("w3.weight", "expert", "expert", (c) => [c.expertWidth, c.hiddenSize], "ffn_up_exps.weight"),
  row("w2.weight", "expert", "expert", (c) => [c.hiddenSize, c.expertWidth], "ffn_down_exps.weight"),
];

/** What a classic MTP block adds to an r = 0, score-routed layer. A GGUF fuses e_proj and h_proj along the input. */
const MTP_EXTRA: readonly Row[] = [
  row("e_proj.weight", "mtp", "matrix", (c) => [c.hiddenSize, c.hiddenSize], "nextn.eh_proj.weight"),
  row("h_proj.weight", "mtp", "matrix", (c) => [c.hiddenSize, c.hiddenSize], "nextn.eh_proj.weight"),
  row("enorm.weight", "norm", "float", (c) => [c.hiddenSize], "nextn.enorm.weight"),
  row("hnorm.weight", "norm", "float", (c) => [c.hiddenSize], "nextn.hnorm.weight"),
  row("norm.weight", "norm", "float", (c) => [c.hiddenSize], "nextn.shared_head_norm.weight"),
];

/** The head collapse of a drafter; a GGUF sidecar carries it under the root names. */
const DRAFTER_HEAD: readonly Row[] = ROOT.filter(({ role }) => role === "mhc");

const DSPARK_FIRST: readonly Row[] = [
  row("main_proj.weight", "dspark", "matrix", (c) => [
    c.hiddenSize,
    (c.dspark?.targetLayers.length ?? 0) * c.hiddenSize,
  ]),
  row("main_norm.weight", "norm", "float", (c) => [c.hiddenSize]),
];

const DSPARK_LAST: readonly Row[] = [
  row("norm.weight", "norm", "float", (c) => [c.hiddenSize]),
  row("markov_head.markov_w1.weight", "dspark", "float", (c) => [c.vocabSize, c.dspark?.markovRank ?? 0]),
  row("markov_head.markov_w2.weight", "dspark", "float", (c) => [c.vocabSize, c.dspark?.markovRank ?? 0]),
  row("confidence_head.proj.weight", "dspark", "float", (c) => [
    1,
    c.hiddenSize + (c.dspark?.markovRank ?? 0),
  ]),
];

/** Number of stages of the DSpark drafter in every release so far. */
const DSPARK_BLOCKS = 3;

/** All tensors that a checkpoint of this configuration and drafter must hold, in GGUF order. */
export function* inventory(config: ModelConfig, drafter: Drafter): Generator<TensorSpec> {
  for (const r of ROOT) yield specOf(r, config, { kind: "root" }, 0, r.stem, r.gguf);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const traits = { ratio: config.compressRatios[layer], hash: layer < config.hashLayerCount };
    yield* blockTensors(config, { kind: "layer", index: layer }, traits);
  }
  yield* drafterTensors(config, drafter);
}

function* drafterTensors(config: ModelConfig, drafter: Drafter): Generator<TensorSpec> {
  const blocks = drafter === "none" ? 0 : drafter === "mtp" ? 1 : DSPARK_BLOCKS;
  for (let index = 0; index < blocks; index++) {
    const block: BlockRef = { kind: "mtp", index };
    yield* blockTensors(config, block, { ratio: 0, hash: false });
    const extra =
      drafter === "mtp"
        ? [...MTP_EXTRA, ...DRAFTER_HEAD]
        : [
            ...(index === 0 ? DSPARK_FIRST : []),
            ...(index === blocks - 1 ? [...DSPARK_LAST, ...DRAFTER_HEAD] : []),
          ];
    for (const r of extra)
      yield specOf(r, config, block, 0, `mtp.${index}.${r.stem}`, drafterName(r, config, index));
  }
}

function drafterName(r: Row, config: ModelConfig, index: number): string | undefined {
  if (r.gguf === undefined || r.gguf.startsWith("output_")) return r.gguf;
  return `blk.${config.layerCount + index}.${r.gguf}`;
}

function* blockTensors(
  config: ModelConfig,
  block: BlockRef & { readonly index: number },
  traits: LayerTraits,
): Generator<TensorSpec> {
  const prefix = `${block.kind === "mtp" ? "mtp" : "layers"}.${block.index}.`;
  const ggufPrefix = `blk.${block.kind === "mtp" ? config.layerCount + block.index : block.index}.`;
  for (const r of LAYER) {
    if (r.only && !r.only(traits)) continue;
    yield specOf(r, config, block, traits.ratio, prefix + r.stem, ggufPrefix + r.gguf);
  }
  for (const r of EXPERT) {
    const stack = specOf(r, config, block, traits.ratio, "", ggufPrefix + r.gguf);
    for (let expert = 0; expert < config.expertCount; expert++)
      yield { ...stack, name: `${prefix}ffn.experts.${expert}.${r.stem}`, expert };
  }
}

function specOf(
  r: Row,
  config: ModelConfig,
  block: BlockRef,
  ratio: number,
  name: string,
  gguf: string | undefined,
): TensorSpec {
  return {
    name,
    role: r.role,
    part: r.part,
    storage: r.storage,
    shape: r.shape(config, ratio),
    block,
    ...(gguf !== undefined && { gguf }),
  };
}
