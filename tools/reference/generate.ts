import { usageError } from "../lib/errors.ts";
import { createSequence, forward, type ReferenceModel } from "./forward.ts";
import { type Choice, createSampler, type Sampling } from "./sampling.ts";

export interface GenerateOptions extends Sampling {
  readonly maxTokens: number;
  /** Ids that end the text; the one that did is the last token given. */
  readonly stopIds: readonly number[];
  readonly signal?: AbortSignal;
  /** Hears when the prompt has been taken in. */
  readonly onPrefilled?: () => void;
}

/** Tokens of a prompt that pass through the layers together. */
const PREFILL_TOKENS = 512;

/**
 * Continues a prompt token by token on one state: the prompt is taken in by chunks, and nothing is computed twice. A
 * prompt with an id outside the vocabulary, or longer than the context, is refused.
 */
export async function* generate(
  model: ReferenceModel,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<Choice> {
  const { maxTokens, stopIds, signal, onPrefilled } = options;
  checkPrompt(model, prompt, maxTokens);
  const sample = createSampler(options);
  const state = createSequence(model.config);
  let logits: Float32Array = new Float32Array(0);
  for (let at = 0; at < prompt.length; at += PREFILL_TOKENS) {
    signal?.throwIfAborted();
    logits = await forward(model, state, prompt.slice(at, at + PREFILL_TOKENS), { lastOnly: true });
  }
  onPrefilled?.();
  for (let count = 1; count <= maxTokens; count++) {
    const choice = sample(logits);
    yield choice;
    if (stopIds.includes(choice.id) || count === maxTokens) return;
    signal?.throwIfAborted();
    logits = await forward(model, state, [choice.id], { lastOnly: true });
  }
}

function checkPrompt({ config }: ReferenceModel, prompt: readonly number[], maxTokens: number): void {
  if (prompt.length === 0) throw usageError({ what: "the prompt has no tokens", next: "give some text" });
  const outside = prompt.find((id) => !(Number.isInteger(id) && id >= 0 && id < config.vocabSize));
  if (outside !== undefined)
    throw usageError({
      what: "the prompt has a token outside the vocabulary",
      expected: `0 to ${config.vocabSize - 1}`,
      found: String(outside),
    });
  if (prompt.length + maxTokens > config.contextLength)
    throw usageError({
      what: "prompt and continuation are longer than the model's context",
      expected: `at most ${config.contextLength} tokens`,
      found: `${prompt.length} and ${maxTokens}`,
    });
}
