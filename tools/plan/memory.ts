import { attentionKind, type ModelConfig } from "../model/config.ts";
import { type OutputPlan, plannedTensors } from "./output-plan.ts";
import { tensorBytes } from "./storage.ts";

/** Contexts that a plan looks at, in tokens. */
export const CONTEXTS = [8192, 32_768, 131_072, 262_144, 1_048_576] as const;

const BF16_BYTES = 2;
const F32_BYTES = 4;

/** What one sequence keeps between tokens. */
export interface CacheSize {
  /** Grows with every token. */
  readonly bytesPerToken: number;
  /** Windows and open blocks. */
  readonly fixedBytes: number;
}

/**
 * The state of one sequence with rows in BF16 and open blocks in F32, as the official code lays them out. A layer of
 * ratio r keeps a row of the head's width per r tokens, CSA one of the indexer's beside it; every layer has a window of
 * raw rows. An open block is values and gates of r tokens; CSA's blocks overlap, which doubles both length and width.
 */
export function cacheSize(config: ModelConfig): CacheSize {
  const { headDim, indexer, slidingWindow, layerCount, compressRatios } = config;
  let [bytesPerToken, fixedBytes] = [0, layerCount * slidingWindow * headDim * BF16_BYTES];
  for (const ratio of compressRatios.slice(0, layerCount)) {
    const kind = attentionKind(ratio);
    if (kind === "swa") continue;
    const width = kind === "csa" ? headDim + indexer.headDim : headDim;
    const overlap = kind === "csa" ? 2 : 1;
    bytesPerToken += (width * BF16_BYTES) / ratio;
    fixedBytes += 2 * overlap * ratio * overlap * width * F32_BYTES;
  }
  return { bytesPerToken, fixedBytes };
}

export const cacheBytes = ({ bytesPerToken, fixedBytes }: CacheSize, context: number): number =>
  Math.ceil(bytesPerToken * context) + fixedBytes;

/** Prompt tokens that pass through a layer together: llama.cpp's default. */
const BATCH_TOKENS = 512;

/**
 * An estimate of what an engine computes in while a prompt passes: the streams before and after a sublayer, the
 * experts' intermediates, the indexer's scores over all blocks of the context, the scores of HCA's attention without a
 * fused kernel, or the logits; buffers are reused, so of the last three only the largest counts. All in F32.
 */
export function computeBytes(config: ModelConfig, context: number): number {
  const { hiddenSize, mhc, expertsPerToken, expertWidth, headCount, slidingWindow, vocabSize } = config;
  const ratios = new Set(config.compressRatios.slice(0, config.layerCount));
  const rows = (kind: string): number =>
    Math.max(0, ...[...ratios].filter((r) => attentionKind(r) === kind).map((r) => Math.ceil(context / r)));
  const perToken =
    3 * mhc.streams * hiddenSize +
    expertsPerToken * (2 * expertWidth + hiddenSize) +
    Math.max(rows("csa"), headCount * (slidingWindow + rows("hca")), vocabSize);
  return BATCH_TOKENS * perToken * F32_BYTES;
}

/** What a model of a plan asks of the memory it runs in. */
export interface ModelNeeds {
  /** Routed experts of the trunk, which engines can keep apart from the rest. */
  readonly expertBytes: number;
  readonly otherBytes: number;
  readonly cache: CacheSize;
  readonly config: ModelConfig;
}

/** The drafter is not counted: an engine runs without it. */
export function modelNeeds(plan: OutputPlan): ModelNeeds {
  let [expertBytes, otherBytes] = [0, 0];
  for (const { file, tensor } of plannedTensors(plan)) {
    const { role, block } = tensor.parts[0].entry.spec;
    if (file.kind === "mtp" || block.kind === "mtp") continue;
    const bytes = tensor.outputs.reduce((sum, output) => sum + tensorBytes(output), 0);
    if (role === "expert") expertBytes += bytes;
    else otherBytes += bytes;
  }
  const { config } = plan.census;
  return { expertBytes, otherBytes, cache: cacheSize(config), config };
}
