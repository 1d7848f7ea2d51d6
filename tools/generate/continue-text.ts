import { openCheckpoint } from "../checkpoint/open.ts";
import { readSmallFile } from "../lib/files.ts";
import { MAX_PROMPTS_BYTES } from "../lib/limits.ts";
import { readStdin } from "../lib/stdin.ts";
import { formatDuration } from "../lib/units.ts";
import { referenceModel } from "../reference/forward.ts";
import { generate } from "../reference/generate.ts";
import { openModelKernels } from "../reference/model-kernels.ts";
import type { Numerics } from "../reference/rounding.ts";
import { cachedLoader } from "../reference/weight-cache.ts";
import { encodeChat } from "../tokenizer/chat-encoding.ts";
import { openTokenizer } from "../tokenizer/tokenizer.ts";

export interface ContinueOptions {
  readonly path: string;
  readonly prompt?: string | undefined;
  readonly promptFile?: string | undefined;
  readonly chat: boolean;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly numerics: Numerics;
  readonly threads: number;
  /** Hears the text as it comes. */
  readonly onText: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** A continuation, as `--json` prints it. */
export interface Continuation {
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
  /** Natural log-probability of each token under the model. */
  readonly logProbs: readonly number[];
  readonly text: string;
  readonly stop: "eos" | "length";
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** The same for people. */
  readonly summary: string;
}

/** Weights stay in memory between tokens, in half of what the machine can spare. */
const cacheBytes = (): number => process.availableMemory() / 2;

/** Continues a text with a checkpoint or artefact, by the reference forward pass. */
export async function continueText(options: ContinueOptions): Promise<Continuation> {
  const { path, chat, numerics, threads, maxTokens, onText, signal } = options;
  const source = await openCheckpoint(path);
  try {
    const tokenizer = await openTokenizer(source);
    const text = await promptText(options);
    const plain = chat
      ? encodeChat(tokenizer, [{ role: "user", content: text }], { profile: "v4-preview", mode: "nonthink" })
      : tokenizer.encode(text);
    const { bosId, eosId } = source.config;
    const promptIds = plain[0] === bosId ? plain : [bosId, ...plain];
    const model = referenceModel(source, openModelKernels(threads), numerics);
    const cached = { ...model, loader: cachedLoader(model.loader, cacheBytes()) };
    const startedMs = performance.now();
    let prefilledMs = startedMs;
    const tokens = generate(cached, promptIds, {
      ...options,
      stopIds: [eosId],
      onPrefilled: () => {
        prefilledMs = performance.now();
      },
    });
    const ids: number[] = [];
    const logProbs: number[] = [];
    const stream = tokenizer.decodeStream();
    let written = "";
    const write = (piece: string): void => {
      written += piece;
      if (piece !== "") onText(piece);
    };
    for await (const { id, logProb } of tokens) {
      ids.push(id);
      logProbs.push(logProb);
      if (id !== eosId) write(stream.push(id));
    }
    write(stream.end());
    signal?.throwIfAborted();
    const endedMs = performance.now();
    const perSecond = (count: number, fromMs: number, toMs: number): number =>
      Number(((1000 * count) / Math.max(toMs - fromMs, 1e-3)).toPrecision(4));
    const prefillTokensPerSecond = perSecond(promptIds.length, startedMs, prefilledMs);
    // The first token comes from the prompt's logits.
    const decodeTokensPerSecond = ids.length > 1 ? perSecond(ids.length - 1, prefilledMs, endedMs) : 0;
    const stop = ids.at(-1) === eosId ? "eos" : "length";
    return {
      promptIds,
      ids,
      logProbs,
      text: written,
      stop,
      prefillTokensPerSecond,
      decodeTokensPerSecond,
      summary:
        `${promptIds.length} + ${ids.length} tokens in ${formatDuration(endedMs - startedMs)}` +
        ` (prompt ${prefillTokensPerSecond}/s, then ${decodeTokensPerSecond}/s)` +
        (stop === "length" ? `, stopped at --max-tokens ${maxTokens}` : ""),
    };
  } finally {
    await source.close();
  }
}

async function promptText({ prompt, promptFile }: ContinueOptions): Promise<string> {
  if (prompt !== undefined) return prompt;
  if (promptFile === "-") return readStdin(MAX_PROMPTS_BYTES);
  return new TextDecoder().decode(await readSmallFile(promptFile as string, MAX_PROMPTS_BYTES));
}
