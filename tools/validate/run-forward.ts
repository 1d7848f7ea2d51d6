import type { Kernels } from "../../kernels/kernels.ts";
import type { LayerRow, PositionRow } from "../../reports/schemas/validation.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { createProgress, silentProgress } from "../lib/progress.ts";
import { referenceModel } from "../reference/forward.ts";
import { type LayerStream, openLayerStream } from "../reference/layer-stream.ts";
import type { Numerics } from "../reference/rounding.ts";
import { type Batch, batchTokens } from "../reference/token-batches.ts";
import { createLogitDump } from "./dump-logits.ts";
import type { PromptSet } from "./prompts.ts";
import type { RunFolder } from "./run-folder.ts";
import { type StreamPair, streamLayer } from "./stream-layers.ts";
import { type LogitRun, streamLogits } from "./stream-logits.ts";
import type { Piece } from "./validate.ts";

export interface ForwardRun {
  readonly artefact: TensorSource;
  readonly reference?: TensorSource | undefined;
  readonly prompts: PromptSet;
  readonly numerics: Numerics;
  readonly kernels: Kernels;
  readonly folder: RunFolder<Piece>;
  readonly dumpLogits?: string;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
}

/** Takes the prompts through both checkpoints (or the artefact alone), layer by layer, and compares on the way. */
export async function runForward(run: ForwardRun) {
  const { artefact, reference, prompts, numerics, kernels, folder, signal } = run;
  const { config } = artefact;
  const sequences = prompts.sequences.map(({ tokens }) => tokens);
  const batches = batchTokens(sequences, config);
  const model = referenceModel(artefact, kernels, numerics);
  const model0 = reference && referenceModel(reference, kernels, numerics);
  const common = { batches, folder: folder.work, ...(signal && { signal }) };
  const streams: LayerStream[] = [];
  try {
    const candidate = await openLayerStream({ ...common, model, name: "artefact" });
    streams.push(candidate);
    const stream0 = model0 && (await openLayerStream({ ...common, model: model0, name: "reference" }));
    if (stream0) streams.push(stream0);
    const pair = { candidate, ...(stream0 && { reference: stream0 }) };
    if (!folder.finished.some(({ kind }) => kind === "embedded")) {
      for (const stream of streams) await stream.embed();
      await folder.record({ kind: "embedded" });
    }
    const layers = await runLayers(run, pair, batches);
    const positions = await runLogits(run, pair, batches, {
      candidate: model.loader,
      ...(model0 && { reference: model0.loader }),
    });
    return { layers, positions };
  } finally {
    for (const stream of streams) await stream.close();
  }
}

async function runLayers(
  { artefact: { config }, folder, quiet }: ForwardRun,
  pair: StreamPair,
  batches: readonly Batch[],
): Promise<LayerRow[]> {
  const layers = folder.finished.flatMap((piece) => (piece.kind === "layer" ? [piece.row] : []));
  const left = config.layerCount - layers.length;
  const progress = quiet ? silentProgress : createProgress("layers", left, "layers");
  try {
    for (let layer = layers.length; layer < config.layerCount; layer++) {
      const { compressRatios, expertsPerToken } = config;
      const row = await streamLayer({ pair, batches, layer, ratio: compressRatios[layer], expertsPerToken });
      await folder.record({ kind: "layer", row });
      layers.push(row);
      progress.advance(1);
    }
  } finally {
    progress.stop();
  }
  return layers;
}

async function runLogits(
  { artefact: { config }, prompts, dumpLogits, quiet, signal }: ForwardRun,
  pair: StreamPair,
  batches: readonly Batch[],
  heads: LogitRun["heads"],
): Promise<PositionRow[]> {
  const places = prompts.sequences.flatMap(({ name, tokens }) =>
    Array.from(tokens, (token, position) => ({
      sequence: name,
      position,
      token,
      next: tokens[position + 1] ?? -1,
    })),
  );
  const next = Int32Array.from(places, (place) => place.next);
  const dump = dumpLogits ? await createLogitDump(dumpLogits, places.length, config.vocabSize) : undefined;
  const progress = quiet ? silentProgress : createProgress("logits", places.length, "tokens");
  const rows: PositionRow[] = [];
  try {
    for (const batch of batches) {
      const stats = await streamLogits(
        {
          pair,
          heads,
          vocabSize: config.vocabSize,
          next,
          ...(dump && { onLogits: (tile) => dump.write(tile) }),
          ...(signal && { signal }),
        },
        batch,
      );
      rows.push(...stats.map((row, i) => ({ ...places[batch.first + i], ...row })));
      progress.advance(batch.ids.length);
    }
    await dump?.commit();
  } finally {
    progress.stop();
    await dump?.discard();
  }
  return rows;
}
