import { openCheckpoint } from "../checkpoint/open.ts";
import { createSequence, forward, type ReferenceModel, referenceModel } from "../reference/forward.ts";
import { openModelKernels } from "../reference/model-kernels.ts";
import { cachedLoader } from "../reference/weight-cache.ts";
import { openTokenizer } from "../tokenizer/tokenizer.ts";
import { createLogitStats, type PositionStats } from "../validate/logit-stats.ts";
import { type LogitSummary, summariseLogits } from "../validate/logit-summary.ts";
import { heldoutChunks, type Needle, singleNeedles } from "./heldout.ts";

export interface Quality {
  readonly logits: LogitSummary;
  /** Needles whose answer greedy decoding gives, token for token. */
  readonly needlesFound: number;
  readonly needles: number;
}

/** What artefacts are measured on, with the source's logits; as many as the chunks, which are few. */
interface Yardstick {
  readonly chunks: readonly (readonly number[])[];
  readonly needles: readonly Needle[];
  readonly logits: readonly Float32Array[];
  readonly threads: number;
}

export interface YardstickOptions {
  readonly source: string;
  readonly chunks: number;
  /** Needles of each length. */
  readonly needles: number;
  readonly threads: number;
}

/** Small models are kept decoded: every weight is asked for by every chunk. */
const CACHE_BYTES = 256 * 2 ** 20;

/** Runs the source on the held-out text; returns what measures an artefact against it. */
export async function openYardstick(options: YardstickOptions): Promise<(path: string) => Promise<Quality>> {
  const { source: path, threads } = options;
  const source = await openCheckpoint(path);
  try {
    const tokenizer = await openTokenizer(source);
    const chunks = await heldoutChunks(tokenizer, source.config.bosId, options.chunks);
    const needles = await singleNeedles(options.needles);
    const logits = await withModel(path, threads, (model) => runChunks(model, chunks));
    const yardstick: Yardstick = { chunks, needles, logits, threads };
    return (artefact) => measureQuality(artefact, yardstick);
  } finally {
    await source.close();
  }
}

async function withModel<T>(
  path: string,
  threads: number,
  use: (model: ReferenceModel) => Promise<T>,
): Promise<T> {
  const source = await openCheckpoint(path);
  try {
    const model = referenceModel(source, openModelKernels(threads), "fp32");
    return await use({ ...model, loader: cachedLoader(model.loader, CACHE_BYTES) });
  } finally {
    await source.close();
  }
}

async function runChunks(
  model: ReferenceModel,
  chunks: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const logits: Float32Array[] = [];
  for (const ids of chunks) logits.push(await forward(model, createSequence(model.config), ids));
  return logits;
}

function measureQuality(path: string, { chunks, needles, logits, threads }: Yardstick): Promise<Quality> {
  return withModel(path, threads, async (model) => {
    const rows: PositionStats[] = [];
    for (const [i, ids] of chunks.entries()) {
      const candidate = await forward(model, createSequence(model.config), ids);
      const stats = createLogitStats(Int32Array.from([...ids.slice(1), -1]), true);
      stats.add({
        first: 0,
        positions: ids.length,
        from: 0,
        width: model.config.vocabSize,
        reference: logits[i],
        candidate,
      });
      for (let t = 0; t < ids.length; t++) rows.push(stats.row(t));
    }
    let needlesFound = 0;
    for (const needle of needles) if (await isFound(model, needle)) needlesFound++;
    return { logits: summariseLogits(rows), needlesFound, needles: needles.length };
  });
}

/**
 * Whether greedy decoding gives the answer: it does exactly if every token of it is the likeliest after those before,
 * which one pass over prompt and answer tells.
 */
async function isFound(model: ReferenceModel, { prompt_ids, answer_ids }: Needle): Promise<boolean> {
  const state = createSequence(model.config);
  await forward(model, state, prompt_ids.slice(0, -1), { lastOnly: true });
  const logits = await forward(model, state, [prompt_ids.at(-1) as number, ...answer_ids.slice(0, -1)]);
  const { vocabSize } = model.config;
  return answer_ids.every((id, t) => {
    const row = logits.subarray(t * vocabSize, (t + 1) * vocabSize);
    return row.indexOf(row.reduce((a, b) => Math.max(a, b))) === id;
  });
}
