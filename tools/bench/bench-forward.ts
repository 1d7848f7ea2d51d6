import { openCheckpoint } from "../checkpoint/open.ts";
import { findLlamaLibraries } from "../peers/llama-libraries.ts";
import { llamaSpeed } from "../peers/llama-speed.ts";
import { createSequence, forward, type ReferenceModel, referenceModel } from "../reference/forward.ts";
import { openModelKernels } from "../reference/model-kernels.ts";
import { cachedLoader } from "../reference/weight-cache.ts";
import { median } from "./measure.ts";

export interface ForwardBenchOptions {
  readonly model: string;
  /** A GGUF of the same model for llama.cpp; without it ours runs alone. */
  readonly gguf?: string | undefined;
  readonly tokens: number;
  readonly decoded: number;
  readonly threads: number;
  readonly repeats: number;
}

/** Tokens per second; `ratio` is ours over llama.cpp's, the median of paired runs. */
export interface ForwardBenchRow {
  readonly phase: "prefill" | "decode";
  readonly tokens: number;
  readonly threads: number;
  readonly ours: number;
  readonly llama?: number;
  readonly ratio?: number;
}

/** Prefill and decode of the reference pass beside llama.cpp's CPU backend, in turn; both have their weights in memory. */
export async function benchForward(options: ForwardBenchOptions): Promise<ForwardBenchRow[]> {
  const { model: path, gguf, tokens: count, decoded, threads, repeats } = options;
  const source = await openCheckpoint(path);
  try {
    const uncached = referenceModel(source, openModelKernels(threads), "fp32");
    const model = { ...uncached, loader: cachedLoader(uncached.loader, process.availableMemory() / 2) };
    const tokens = Array.from({ length: count }, (_, i) => (i * 7919 + 13) % source.config.vocabSize);
    const libraries = gguf === undefined ? undefined : findLlamaLibraries();
    await runOurs(model, tokens, 0);
    const runs: { readonly prefill: number; readonly decode: number }[][] = [];
    for (let i = 0; i < repeats; i++) {
      const own = await runOurs(model, tokens, decoded);
      runs.push(
        libraries && gguf ? [own, await llamaSpeed(libraries, gguf, tokens, { decoded, threads })] : [own],
      );
    }
    return (["prefill", "decode"] as const).map((phase) => {
      const amount = phase === "prefill" ? count : decoded;
      const rates = runs.map((run) => run.map((times) => amount / times[phase]));
      const row = { phase, tokens: amount, threads, ours: median(rates.map(([ours]) => ours)) };
      if (!libraries) return row;
      return {
        ...row,
        llama: median(rates.map(([, llama]) => llama)),
        ratio: median(rates.map(([ours, llama]) => ours / llama)),
      };
    });
  } finally {
    await source.close();
  }
}

async function runOurs(model: ReferenceModel, tokens: readonly number[], decoded: number) {
  const state = createSequence(model.config);
  const startMs = performance.now();
  await forward(model, state, tokens, { lastOnly: true });
  const filledMs = performance.now();
  for (let i = 0; i < decoded; i++)
    await forward(model, state, [tokens[i % tokens.length]], { lastOnly: true });
  return { prefill: (filledMs - startMs) / 1000, decode: (performance.now() - filledMs) / 1000 };
}
