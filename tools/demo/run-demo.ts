import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { sourceDigest } from "../checkpoint/source-identity.ts";
import { inspect } from "../inspect/inspect.ts";
import type { CensusSummary } from "../inspect/summary.ts";
import { findLlamaLibraries, LLAMA_RELEASE } from "../peers/llama-libraries.ts";
import { llamaLogits } from "../peers/llama-logits.ts";
import { choosePlan } from "../plan/choose-plan.ts";
import type { QuantizeResult } from "../quantize/describe.ts";
import { quantize } from "../quantize/quantize.ts";
import type { ValidationReport } from "../validate/report.ts";
import { validate } from "../validate/validate.ts";
import { DEMO_CHECKPOINT } from "./embedded.ts";
import { compareReaders, type ForeignVerdict } from "./foreign-reader.ts";

/** llama.cpp's predictions on the sample text beside the reference's. */
export interface LlamaVerdict {
  readonly release: string;
  readonly positions: number;
  readonly top1Agreement: number;
  readonly perplexity: number;
  readonly referencePerplexity: number;
}

export interface DemoReport {
  readonly census: CensusSummary;
  readonly quantize: QuantizeResult;
  readonly foreign: ForeignVerdict;
  readonly validation: ValidationReport;
  readonly llama?: LlamaVerdict;
  readonly elapsedMs: number;
}

/** Tokens of the validation: enough for the indexer to choose. */
const DEMO_TOKENS = 2048;

/** Runs every stage on the embedded checkpoint and judges the result with readers that are not ours. */
export async function runDemo(folder: string, quiet: boolean): Promise<DemoReport> {
  const startedMs = Date.now();
  const census = await inspect(DEMO_CHECKPOINT);
  const out = join(folder, "tiny-v4-4bit.gguf");
  const result = await quantize({
    place: DEMO_CHECKPOINT,
    planFor: (census, source) => choosePlan(census, { bits: 4 }, sourceDigest(source)),
    out,
    workers: availableParallelism(),
    force: true,
    restart: true,
    dryRun: false,
    quiet,
  });
  const foreign = await compareReaders(out);
  const validation = await validate({
    artefact: out,
    reference: DEMO_CHECKPOINT,
    out: join(result.sidecar, "validation"),
    numerics: "fp32",
    threads: availableParallelism(),
    tokens: { maxTokens: DEMO_TOKENS },
    restart: true,
    quiet,
  });
  const llama = await askLlama(out);
  return {
    census,
    quantize: result,
    foreign,
    validation,
    ...(llama && { llama }),
    elapsedMs: Date.now() - startedMs,
  };
}

interface Expected {
  readonly sample: {
    readonly ids: readonly number[];
    readonly fake_quant_off: { readonly top1: readonly number[]; readonly next_logprob: readonly number[] };
  };
}

/** Lets llama.cpp predict the sample text with the file, where its libraries are installed. */
async function askLlama(artefact: string): Promise<LlamaVerdict | undefined> {
  const libraries = findLlamaLibraries();
  if (!libraries) return undefined;
  const { sample } = JSON.parse(await readFile(join(DEMO_CHECKPOINT, "expected.json"), "utf8")) as Expected;
  const { ids, fake_quant_off: reference } = sample;
  const logits = await llamaLogits(libraries, artefact, ids);
  const vocab = logits.length / ids.length;
  let agreed = 0;
  let nll = 0;
  for (let t = 0; t < ids.length; t++) {
    const row = logits.subarray(t * vocab, (t + 1) * vocab);
    const best = row.reduce((top, value, id) => (value > row[top] ? id : top), 0);
    if (best === reference.top1[t]) agreed++;
    if (t + 1 < ids.length) nll += logSumExp(row) - row[ids[t + 1]];
  }
  const mean = reference.next_logprob.reduce((sum, value) => sum + value, 0) / reference.next_logprob.length;
  return {
    release: LLAMA_RELEASE,
    positions: ids.length,
    top1Agreement: agreed / ids.length,
    perplexity: Math.exp(nll / (ids.length - 1)),
    referencePerplexity: Math.exp(-mean),
  };
}

function logSumExp(row: Float32Array): number {
  const peak = row.reduce((a, b) => Math.max(a, b));
  return peak + Math.log(row.reduce((sum, value) => sum + Math.exp(value - peak), 0));
}
