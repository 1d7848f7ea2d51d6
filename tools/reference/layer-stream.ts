import { join } from "node:path";
import { openScratchFile, type ScratchFile } from "../lib/scratch-file.ts";
import { createAttentionState } from "./attention.ts";
import { embed, headInput, type ReferenceModel } from "./forward.ts";
import { type LayerObserver, type LayerWeights, runLayer } from "./layer.ts";
import { loadLayer } from "./load-layer.ts";
import type { Batch } from "./token-batches.ts";

/**
 * All tokens of a set of sequences on their way through one checkpoint, a layer at a time: every weight is read once
 * per batch, and memory holds the weights of two layers (one at work, one being read), one expert, and one batch of
 * activations.
 *
 * Between layers the streams lie in files, one for even and one for odd depths. A run that dies in a layer finds the
 * streams before it untouched.
 */
export interface LayerStream {
  /** Writes the streams of depth 0, the embeddings. */
  embed(): Promise<void>;
  /** Begins to read a layer's weights. */
  prefetch(layer: number): void;
  /** Takes all tokens from depth `layer` to depth `layer + 1`. Tokens of the observer count through all sequences. */
  run(layer: number, observer?: LayerObserver): Promise<void>;
  /** The streams [tokens, n, H] of a batch at a depth: the last one finished, or the one before. */
  streams(depth: number, batch: Batch): Promise<Float32Array>;
  /** What the head multiplies [tokens, H], after the last layer. */
  headInput(batch: Batch): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface LayerStreamOptions {
  readonly model: ReferenceModel;
  readonly batches: readonly Batch[];
  /** Where the streams lie, in files that begin with `name`. */
  readonly folder: string;
  readonly name: string;
  readonly signal?: AbortSignal;
}

export async function openLayerStream(options: LayerStreamOptions): Promise<LayerStream> {
  const { model, batches, folder, name, signal } = options;
  const { config, loader, context } = model;
  const width = config.mhc.streams * config.hiddenSize;
  const files: ScratchFile[] = [];
  for (const parity of ["even", "odd"])
    files.push(await openScratchFile(join(folder, `${name}-${parity}.f32`)));
  const fileOf = (depth: number): ScratchFile => files[depth % 2];
  const reading = new Map<number, Promise<LayerWeights>>();

  const prefetch = (layer: number): void => {
    if (reading.has(layer) || layer >= config.layerCount) return;
    const weights = loadLayer(loader, `layers.${layer}.`, config.compressRatios[layer]);
    // Whoever runs the layer hears of a failure; until then it is not unhandled.
    weights.catch(() => {});
    reading.set(layer, weights);
  };

  const streams = async (depth: number, { first, ids }: Batch): Promise<Float32Array> => {
    const values = new Float32Array(ids.length * width);
    await fileOf(depth).read(values, first * width);
    return values;
  };

  return {
    prefetch,
    streams,
    async embed() {
      for (const { first, ids } of batches) {
        signal?.throwIfAborted();
        await fileOf(0).write(await embed(model, ids), first * width);
      }
      await fileOf(0).sync();
    },
    async run(layer, observer = {}) {
      prefetch(layer);
      const weights = (await reading.get(layer)) as LayerWeights;
      reading.delete(layer);
      const states = new Map<number, ReturnType<typeof createAttentionState>>();
      for (const batch of batches) {
        signal?.throwIfAborted();
        const values = await streams(layer, batch);
        const segments = batch.runs.map(({ sequence, position, count }) => {
          const state = states.get(sequence) ?? createAttentionState(config, weights.ratio);
          states.set(sequence, state);
          return { state, position, count };
        });
        await runLayer(context, weights, segments, values, batch.ids, {
          experts: (token, ids) => observer.experts?.(batch.first + token, ids),
          rows: (token, indices) => observer.rows?.(batch.first + token, indices),
        });
        await fileOf(layer + 1).write(values, batch.first * width);
      }
      await fileOf(layer + 1).sync();
    },
    async headInput(batch) {
      return headInput(model, await streams(config.layerCount, batch));
    },
    async close() {
      await Promise.allSettled(reading.values());
      await Promise.all(files.map((file) => file.close()));
    },
  };
}
