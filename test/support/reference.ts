import type { Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import {
  createSequence,
  type ForwardOptions,
  forward,
  type ReferenceModel,
  referenceModel,
} from "../../tools/reference/forward.ts";
import type { Numerics } from "../../tools/reference/rounding.ts";

const { kernels: chosen } = chooseKernels();

/** Opens a checkpoint as a model, for as long as `use` runs. */
export async function withModel<T>(
  checkpoint: string,
  numerics: Numerics,
  use: (model: ReferenceModel) => Promise<T>,
  kernels: Kernels = chosen,
): Promise<T> {
  const source = await openCheckpoint(checkpoint);
  try {
    return await use(referenceModel(source, kernels, numerics));
  } finally {
    await source.close();
  }
}

/** Logits of a whole sequence, run in the given chunks one after the other. */
export async function chunkedLogits(
  model: ReferenceModel,
  tokens: readonly number[],
  chunks: readonly number[],
): Promise<Float32Array> {
  const state = createSequence(model.config);
  const logits = new Float32Array(tokens.length * model.config.vocabSize);
  for (const count of chunks) {
    const from = state.position;
    logits.set(await forward(model, state, tokens.slice(from, from + count)), from * model.config.vocabSize);
  }
  if (state.position !== tokens.length)
    throw new Error(`chunks of ${state.position} tokens for ${tokens.length}`);
  return logits;
}

/** Logits of all tokens in one call. */
export const referenceLogits = (
  checkpoint: string,
  numerics: Numerics,
  tokens: readonly number[],
  { kernels, ...options }: ForwardOptions & { readonly kernels?: Kernels } = {},
): Promise<Float32Array> =>
  withModel(
    checkpoint,
    numerics,
    (model) => forward(model, createSequence(model.config), tokens, options),
    kernels,
  );

export const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

/** The index of the largest value. */
export const argmax = (values: Float32Array): number =>
  values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
