import { MAX_ACTIVATION_BYTES, MAX_ATTENTION_TOKENS } from "../lib/limits.ts";
import type { ModelConfig } from "../model/config.ts";

/** Consecutive tokens of one of the sequences. */
export interface Run {
  readonly sequence: number;
  readonly position: number;
  readonly count: number;
}

/** Tokens that go through a layer together: each expert that they reach is read once for all of them. */
export interface Batch {
  /** Number of the first token, counted through all sequences. */
  readonly first: number;
  readonly ids: readonly number[];
  readonly runs: readonly Run[];
}

/** Cuts sequences, one after the other, into batches whose activations keep within the memory cap. */
export function batchTokens(
  sequences: readonly ArrayLike<number>[],
  config: ModelConfig,
  maxBytes = MAX_ACTIVATION_BYTES,
): readonly Batch[] {
  // The streams, a sublayer's input and output, and as much again while they are normed and mixed.
  const bytesPerToken = 4 * config.hiddenSize * (config.mhc.streams + 6);
  const capacity = Math.max(1, Math.floor(maxBytes / bytesPerToken));
  const batches: { first: number; ids: number[]; runs: Run[] }[] = [];
  let batch: (typeof batches)[number] | undefined;
  for (const [sequence, tokens] of sequences.entries())
    for (let position = 0; position < tokens.length; ) {
      if (!batch || batch.ids.length === capacity) {
        batch = { first: batch ? batch.first + batch.ids.length : 0, ids: [], runs: [] };
        batches.push(batch);
      }
      const room = Math.min(capacity - batch.ids.length, MAX_ATTENTION_TOKENS);
      const count = Math.min(room, tokens.length - position);
      batch.runs.push({ sequence, position, count });
      for (let i = 0; i < count; i++) batch.ids.push(tokens[position + i]);
      position += count;
    }
  return batches;
}
