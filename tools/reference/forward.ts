import type { Kernels } from "../../kernels/kernels.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { takeCensus } from "../model/census.ts";
import type { ModelConfig } from "../model/config.ts";
import { type AttentionState, createAttentionState } from "./attention.ts";
import type { Context } from "./context.ts";
import { runLayer } from "./layer.ts";
import { createLoader, loadLayer, loadMhc, type TensorLoader } from "./load-layer.ts";
import { hcCollapse } from "./mhc.ts";
import { rmsNorm } from "./norm.ts";
import { type Numerics, roundingOf } from "./rounding.ts";

/** What a sequence's tokens have left behind, layer by layer: decoding goes on from here. */
export interface SequenceState {
  position: number;
  readonly layers: readonly AttentionState[];
}

export interface ReferenceModel {
  readonly config: ModelConfig;
  readonly loader: TensorLoader;
  readonly context: Context;
}

/** A checkpoint or artefact as a model that can be run. */
export function referenceModel(source: TensorSource, kernels: Kernels, numerics: Numerics): ReferenceModel {
  const census = takeCensus(source.config, source.tensors, source.location);
  const context = { config: source.config, rounding: roundingOf(numerics, kernels), kernels };
  return { config: source.config, loader: createLoader(source, census, kernels), context };
}

export function createSequence(config: ModelConfig): SequenceState {
  const { layerCount, compressRatios } = config;
  return {
    position: 0,
    layers: Array.from({ length: layerCount }, (_, i) => createAttentionState(config, compressRatios[i])),
  };
}

export interface ForwardOptions {
  /** Called with the streams [tokens, n, H] after the embedding (0) and after every layer (1 ...). */
  readonly onStreams?: (layer: number, streams: Float32Array) => void;
}

/**
 * Runs the next tokens of a sequence: all of them through one layer before the next layer's weights are read.
 * Returns their logits [tokens, vocab]. Any split of a sequence into calls gives the same logits.
 */
export async function forward(
  { config, loader, context }: ReferenceModel,
  state: SequenceState,
  ids: readonly number[],
  { onStreams }: ForwardOptions = {},
): Promise<Float32Array> {
  const { bf16 } = context.rounding;
  const streams = bf16(await embed(loader, config, ids));
  onStreams?.(0, streams);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const weights = await loadLayer(loader, `layers.${layer}.`, config.compressRatios[layer]);
    const segment = { state: state.layers[layer], position: state.position, count: ids.length };
    await runLayer(context, weights, [segment], streams, ids);
    onStreams?.(layer + 1, streams);
  }
  state.position += ids.length;
  const width = config.mhc.streams * config.hiddenSize;
  const head = await loadMhc(loader, "hc_head_");
  const x = new Float32Array(ids.length * config.hiddenSize);
  for (let t = 0; t < ids.length; t++)
    x.set(hcCollapse(streams.subarray(t * width, (t + 1) * width), head, config), t * config.hiddenSize);
  bf16(rmsNorm(bf16(x), config.hiddenSize, config.rmsNormEpsilon, await loader.vector("norm.weight")));
  return (await loader.matrix("head.weight")).apply(x, ids.length);
}

/** Every stream of a token starts as its embedding. */
async function embed(
  loader: TensorLoader,
  config: ModelConfig,
  ids: readonly number[],
): Promise<Float32Array> {
  const { hiddenSize, mhc } = config;
  const table = await loader.vector("embed.weight");
  const streams = new Float32Array(ids.length * mhc.streams * hiddenSize);
  for (const [t, id] of ids.entries())
    for (let i = 0; i < mhc.streams; i++)
      streams.set(table.subarray(id * hiddenSize, (id + 1) * hiddenSize), (t * mhc.streams + i) * hiddenSize);
  return streams;
}
