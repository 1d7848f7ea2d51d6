import { chooseKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { createSequence, forward, referenceModel } from "../../tools/reference/forward.ts";
import type { Numerics } from "../../tools/reference/rounding.ts";

const { kernels } = chooseKernels();

/** Logits of all tokens by the reference pass, run in the given chunks (all at once without). */
export async function referenceLogits(
  checkpoint: string,
  numerics: Numerics,
  tokens: readonly number[],
  chunks: readonly number[] = [tokens.length],
): Promise<Float32Array> {
  const source = await openCheckpoint(checkpoint);
  try {
    const model = referenceModel(source, kernels, numerics);
    const state = createSequence(source.config);
    const parts: Float32Array[] = [];
    for (const count of chunks)
      parts.push(await forward(model, state, tokens.slice(state.position, state.position + count)));
    if (state.position !== tokens.length)
      throw new Error(`chunks of ${state.position} tokens for ${tokens.length}`);
    const logits = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let filled = 0;
    for (const part of parts) {
      logits.set(part, filled);
      filled += part.length;
    }
    return logits;
  } finally {
    await source.close();
  }
}

export const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

/** `size` as often as it fits into `total`, and the rest. */
export function fill(total: number, size: number): number[] {
  return [...new Array(Math.floor(total / size)).fill(size), ...(total % size ? [total % size] : [])];
}
