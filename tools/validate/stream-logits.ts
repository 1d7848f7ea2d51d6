import { MAX_LOGIT_VALUES } from "../lib/limits.ts";
import type { TensorLoader } from "../reference/load-layer.ts";
import type { Batch } from "../reference/token-batches.ts";
import { createLogitStats, type PositionStats } from "./logit-stats.ts";
import type { StreamPair } from "./stream-layers.ts";

/** Rows of the head that pass at once: whole blocks of any scale. */
const TILE_ROWS = 1024;

export interface LogitRun {
  readonly pair: StreamPair;
  /** The head of each side. */
  readonly heads: { readonly reference?: TensorLoader; readonly candidate: TensorLoader };
  readonly vocabSize: number;
  /** The token that follows each token of all sequences, or -1 at the end of one. */
  readonly next: Int32Array;
  /** Takes the candidate's logits [tokens, width] of tokens `first ...` and vocabulary `from ... from + width`. */
  readonly onLogits?: (tile: LogitTile) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface LogitTile {
  readonly first: number;
  readonly from: number;
  readonly width: number;
  readonly logits: Float32Array;
}

/**
 * Logits of a batch's tokens, a tile of the vocabulary at a time; of `[tokens, vocab]` nothing is kept but the
 * statistics of each position.
 */
export async function streamLogits(run: LogitRun, batch: Batch): Promise<PositionStats[]> {
  const { pair, heads, vocabSize, next, onLogits, signal } = run;
  const { first, ids } = batch;
  const x = await pair.candidate.headInput(batch);
  const paired = pair.reference && heads.reference ? await pair.reference.headInput(batch) : undefined;
  const stats = createLogitStats(next.subarray(first, first + ids.length), paired !== undefined);
  const hidden = x.length / ids.length;
  const step = Math.max(1, Math.floor(MAX_LOGIT_VALUES / TILE_ROWS));
  for (let from = 0; from < vocabSize; from += TILE_ROWS) {
    signal?.throwIfAborted();
    const width = Math.min(TILE_ROWS, vocabSize - from);
    const rows = { first: from, count: width };
    const [candidate, reference] = await Promise.all([
      heads.candidate.matrix("head.weight", rows),
      heads.reference?.matrix("head.weight", rows),
    ]);
    for (let at = 0; at < ids.length; at += step) {
      const count = Math.min(step, ids.length - at);
      const part = (values: Float32Array): Float32Array =>
        values.subarray(at * hidden, (at + count) * hidden);
      const logits = candidate.apply(part(x), count);
      stats.add({
        first: at,
        positions: count,
        from,
        width,
        reference: paired && reference ? reference.apply(part(paired), count) : null,
        candidate: logits,
      });
      await onLogits?.({ first: first + at, from, width, logits });
    }
  }
  return Array.from(ids, (_, i) => stats.row(i));
}
