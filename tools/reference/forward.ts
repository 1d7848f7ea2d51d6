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
  /** Return the logits of the last token alone [1, vocab]. */
  readonly lastOnly?: boolean;
}

/**
 * Runs the next tokens of a sequence: all of them through one layer before the next layer's weights are read.
 * Returns their logits [tokens, vocab]. Any split of a sequence into calls gives the same logits.
 */
export async function forward(
  model: ReferenceModel,
  state: SequenceState,
  ids: readonly number[],
  { onStreams, lastOnly = false }: ForwardOptions = {},
): Promise<Float32Array> {
  const { config, loader, context } = model;
  const streams = await embed(model, ids);
  onStreams?.(0, streams);
  for (let layer = 0; layer < config.layerCount; layer++) {
    const weights = await loadLayer(loader, `layers.${layer}.`, config.compressRatios[layer]);
    const segment = { state: state.layers[layer], position: state.position, count: ids.length };
    await runLayer(context, weights, [segment], streams, ids);
    onStreams?.(layer + 1, streams);
  }
  state.position += ids.length;
  const count = lastOnly ? 1 : ids.length;
  const last = streams.subarray(streams.length - count * config.mhc.streams * config.hiddenSize);
  return (await loader.matrix("head.weight")).apply(await headInput(model, last), count);
}

/** What the head multiplies: the streams [tokens, n, H] of the last layer collapsed and normed to [tokens, H]. */
export async function headInput(
  { config, loader, context }: ReferenceModel,
  streams: Float32Array,
): Promise<Float32Array> {
  const { bf16 } = context.rounding;
  const x = hcCollapse(context, streams, await loadMhc(loader, "hc_head_"));
  const normed = rmsNorm(
    bf16(x),
    config.hiddenSize,
    config.rmsNormEpsilon,
    await loader.vector("norm.weight"),
  );
  return bf16(normed);
}

/** Every stream of a token starts as its embedding. */
export async function embed(
  { config, loader, context }: ReferenceModel,
  ids: readonly number[],
): Promise<Float32Array> {
  const { hiddenSize, mhc } = config;
  const embeddings = await loader.rows("embed.weight", ids);
  const streams = new Float32Array(mhc.streams * embeddings.length);
  for (let t = 0; t < ids.length; t++)
    for (let i = 0; i < mhc.streams; i++)
      streams.set(
        embeddings.subarray(t * hiddenSize, (t + 1) * hiddenSize),
        (t * mhc.streams + i) * hiddenSize,
      );
  return context.rounding.bf16(streams);
}
