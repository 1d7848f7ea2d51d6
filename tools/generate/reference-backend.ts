import { createHash } from "node:crypto";
import { basename } from "node:path";
import { type Backend, type BackendIdentity, type Generation, SampleFailure } from "../../evals/backend.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { sourceDigest, sourceIdentity } from "../checkpoint/source-identity.ts";
import { VERSION } from "../lib/package-root.ts";
import { referenceModel } from "../reference/forward.ts";
import { generate } from "../reference/generate.ts";
import { openModelKernels } from "../reference/model-kernels.ts";
import type { Numerics } from "../reference/rounding.ts";
import { cachedLoader, spareCacheBytes } from "../reference/weight-cache.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

export interface ReferenceBackendOptions {
  readonly source: TensorSource;
  readonly tokenizer: Tokenizer;
  readonly numerics: Numerics;
  readonly threads: number;
}

/**
 * The reference pass as a model to be evaluated: prompts as ids, one sample at a time, on the threads of the products.
 * The caller closes the source.
 */
export function openReferenceBackend(options: ReferenceBackendOptions): Backend {
  const { source, tokenizer, numerics, threads } = options;
  const { contextLength, eosId } = source.config;
  const kernels = openModelKernels(threads);
  const model = referenceModel(source, kernels, numerics);
  const cached = { ...model, loader: cachedLoader(model.loader, spareCacheBytes()) };
  let last: Promise<unknown> = Promise.resolve();

  const generateOne = async (
    { prompt, sampling }: Parameters<Backend["generate"]>[0],
    { signal, onTokens }: Parameters<Backend["generate"]>[1] = {},
  ): Promise<Generation> => {
    signal?.throwIfAborted();
    const atMs = Date.now();
    const startedMs = performance.now();
    const elapsed = (): number => performance.now() - startedMs;
    if (prompt.ids.length + sampling.maxTokens > contextLength)
      throw new SampleFailure("too_long", `longer than the model's context of ${contextLength} tokens`, []);
    const stream = tokenizer.decodeStream();
    const logprobs: number[] = [];
    let content = "";
    let firstTokenMs: number | undefined;
    let finishReason: "stop" | "length" = "length";
    const tokens = generate(cached, prompt.ids, {
      maxTokens: sampling.maxTokens,
      temperature: sampling.temperature,
      topP: sampling.topP,
      seed: sampling.seed ?? 0,
      stopIds: [eosId],
      ...(signal && { signal }),
    });
    for await (const { id, logProb } of tokens) {
      firstTokenMs ??= elapsed();
      logprobs.push(logProb);
      onTokens?.(1);
      content += id === eosId ? stream.end() : stream.push(id);
      const cut = firstOf(content, sampling.stop ?? []);
      if (cut !== undefined) content = content.slice(0, cut);
      if (id === eosId || cut !== undefined) {
        finishReason = "stop";
        break;
      }
    }
    if (finishReason === "length") content += stream.end();
    const elapsedMs = elapsed();
    return {
      content,
      finishReason,
      usage: { promptTokens: prompt.ids.length, completionTokens: logprobs.length },
      ...(firstTokenMs !== undefined && { firstTokenMs }),
      elapsedMs,
      logprobs,
      defects: [],
      attempts: [{ atMs, elapsedMs }],
    };
  };

  return {
    async probe() {
      return {
        kind: "reference completions",
        model: basename(source.location),
        // Products are rounded in the order of the instruction set; a likeliest token may depend on it.
        serverVersion: `v4kit ${VERSION} ${numerics} ${kernels.set}`,
        contextTokens: contextLength,
        digest: createHash("sha256")
          .update(`${sourceDigest(source)} ${await sourceIdentity(source)}`)
          .digest("hex"),
      } satisfies BackendIdentity;
    },
    // Two samples at a time would hold two states and run no faster.
    generate(request, wanted) {
      const next = last.then(() => generateOne(request, wanted));
      last = next.catch(() => {});
      return next;
    },
    async close() {
      await last;
    },
  };
}

/** Where the first of the texts begins; undefined where none occurs. */
function firstOf(content: string, texts: readonly string[]): number | undefined {
  const places = texts.map((text) => content.indexOf(text)).filter((at) => at >= 0);
  return places.length > 0 ? Math.min(...places) : undefined;
}
