import type { LayerRow } from "../../reports/schemas/validation.ts";
import type { LayerStream } from "../reference/layer-stream.ts";
import type { Batch } from "../reference/token-batches.ts";
import { type Choices, createChoices } from "./choices.ts";

/** The checkpoints that pass through the layers in lockstep; without a reference the candidate goes alone. */
export interface StreamPair {
  readonly reference?: LayerStream;
  readonly candidate: LayerStream;
}

export interface LayerRun {
  readonly pair: StreamPair;
  readonly batches: readonly Batch[];
  readonly layer: number;
  readonly ratio: number;
  readonly expertsPerToken: number;
}

/** Takes both checkpoints through one layer and compares what comes out of it. */
export async function streamLayer({
  pair,
  batches,
  layer,
  ratio,
  expertsPerToken,
}: LayerRun): Promise<LayerRow> {
  const { reference, candidate } = pair;
  const tokens = batches.reduce((sum, { ids }) => sum + ids.length, 0);
  const sides = [reference, candidate].filter((side) => side !== undefined);
  const choices: Choices[] = [];
  for (const side of sides) side.prefetch(layer);
  for (const side of sides) {
    const own = createChoices(tokens, expertsPerToken);
    choices.push(own);
    const done = side.run(layer, own);
    // Its first reads have begun; the next layer's queue up behind them.
    side.prefetch(layer + 1);
    await done;
  }
  const streams = await compareStreams(pair, batches, layer + 1);
  return { layer, ratio, tokens, ...streams, ...compareChoices(choices) };
}

/** How far the candidate's streams are from the reference's; of the candidate alone only the size is known. */
async function compareStreams(
  { reference, candidate }: StreamPair,
  batches: readonly Batch[],
  depth: number,
) {
  let squaredError = 0;
  let squaredReference = 0;
  let squaredCandidate = 0;
  let product = 0;
  let maxDifference = 0;
  let values = 0;
  for (const batch of batches) {
    const c = await candidate.streams(depth, batch);
    const r = reference ? await reference.streams(depth, batch) : c;
    values += c.length;
    for (let i = 0; i < c.length; i++) {
      const difference = c[i] - r[i];
      squaredError += difference * difference;
      squaredReference += r[i] * r[i];
      squaredCandidate += c[i] * c[i];
      product += r[i] * c[i];
      // NaN stays.
      maxDifference = Math.max(maxDifference, Math.abs(difference));
    }
  }
  return {
    rms: Math.sqrt(squaredCandidate / values),
    nmse: squaredError === 0 ? 0 : squaredError / squaredReference,
    cosine: product / Math.sqrt(squaredReference * squaredCandidate),
    maxDifference,
  };
}

/** How often router and indexer chose otherwise. */
function compareChoices([a, b]: readonly Choices[]) {
  if (!b) return { expertsChanged: 0, expertOverlap: 1, indexerTokens: a.indexerTokens(), rowsChanged: 0 };
  return a.compare(b);
}
