import {
  type Attempt,
  type Backend,
  type BackendIdentity,
  type Generation,
  SampleFailure,
} from "../backend.ts";
import { costOf, type Price } from "../clients/prices.ts";
import type { Problem } from "../task.ts";
import type { BlobStore } from "./blobs.ts";
import { type Contract, sampleKey, sampleSeed } from "./contract.ts";
import type { SampleRow, SampleStatus } from "./row.ts";
import type { Sample } from "./samples.ts";

/** A prompt as our encoder renders it; ends with the answer prefix where the contract uses one. */
export interface Prompt {
  readonly text: string;
  readonly ids: readonly number[];
}

/** What a model said, apart: a completion has its reasoning inside the text. */
export interface Reply {
  readonly content: string;
  readonly reasoning?: string;
  readonly defects: readonly string[];
}

/** What all samples of a run have in common. */
export interface SampleSetting {
  readonly contract: Contract;
  readonly contractSha256: string;
  readonly identity: BackendIdentity;
  readonly backend: Backend;
  readonly render: (problem: Problem) => Prompt;
  readonly readReply: (generation: Generation) => Reply;
  readonly blobs: BlobStore;
  readonly price?: Price;
  readonly signal: AbortSignal;
  readonly onTokens: (count: number) => void;
}

const FAILURES: Readonly<Record<SampleFailure["kind"], SampleStatus>> = {
  too_long: "skipped_too_long",
  failed: "failed",
  infra: "infra_error",
};

/** Asks, grades, and keeps prompt and reply. Throws what ends the run: a dead key, an interruption, a full disk. */
export async function runSample(sample: Sample, prompt: Prompt, setting: SampleSetting): Promise<SampleRow> {
  const { contract, contractSha256, identity, backend, blobs, price, signal, onTokens } = setting;
  const { task, index, problem, epoch } = sample;
  const { temperature, topP, seed: runSeed } = contract.sampling;
  const seed = sampleSeed(runSeed, task.name, problem.id, epoch);
  const { maxTokens } = problem;
  const startedMs = Date.now();
  const promptSha256 = await blobs.put(prompt.text);
  const begun = {
    key: sampleKey({ contract: contractSha256, task: task.name, problem: problem.id, epoch, promptSha256 }),
    task: task.name,
    index,
    problem: problem.id,
    epoch,
    prompt: promptSha256,
    promptTokens: prompt.ids.length,
    seed,
    maxTokens,
  };
  const without = (status: SampleStatus, message: string, attempts: readonly Attempt[]): SampleRow => {
    const failedTokens = billed(attempts);
    return {
      ...begun,
      status,
      facts: { ...problem.facts },
      defects: [],
      message,
      ...(price && { costUsd: costOf(price, { completionTokens: failedTokens }, startedMs) }),
      timing: { startedMs, endedMs: Date.now(), attempts: attempts.map((attempt) => ({ ...attempt })) },
    };
  };
  const context = identity.contextTokens;
  if (context !== undefined && prompt.ids.length + maxTokens > context)
    return without(
      "skipped_too_long",
      `${prompt.ids.length} tokens and ${maxTokens} for the reply do not fit ${context}`,
      [],
    );
  let generation: Generation;
  try {
    generation = await backend.generate(
      {
        messages: problem.messages,
        prompt,
        mode: contract.mode,
        sampling: { temperature, topP, seed, maxTokens },
        ...(contract.answerPrefix === "used" &&
          problem.answerPrefix !== undefined && { answerPrefix: problem.answerPrefix }),
      },
      { signal, onTokens },
    );
  } catch (error) {
    if (!(error instanceof SampleFailure)) throw error;
    return without(FAILURES[error.kind], error.message, error.attempts);
  }
  const endedMs = Date.now();
  const reply = setting.readReply(generation);
  const response = await blobs.put(reply.content);
  const reasoning = reply.reasoning === undefined ? undefined : await blobs.put(reply.reasoning);
  const status = statusOf(generation);
  const gradeStart = performance.now();
  const grade = status === "refused" ? undefined : await task.grade(problem, reply);
  const { usage, finishReason, servedModel, fingerprint, logprobs, attempts, firstTokenMs } = generation;
  const paid = {
    ...usage,
    promptTokens: usage.promptTokens ?? prompt.ids.length,
    // Where nobody counted, what could have been used counts as used; of tries that failed, all counts as output.
    completionTokens: (usage.completionTokens ?? maxTokens) + billed(attempts),
  };
  return {
    ...begun,
    status,
    response,
    ...(reasoning !== undefined && { reasoning }),
    ...(grade && { score: grade.score, verdict: grade.verdict }),
    ...(usage.promptTokens !== undefined && { serverPromptTokens: usage.promptTokens }),
    ...(usage.cachedTokens !== undefined && { cachedTokens: usage.cachedTokens }),
    ...(usage.completionTokens !== undefined && { completionTokens: usage.completionTokens }),
    ...(usage.reasoningTokens !== undefined && { reasoningTokens: usage.reasoningTokens }),
    finishReason,
    ...(servedModel !== undefined && { servedModel }),
    ...(fingerprint !== undefined && { fingerprint }),
    facts: { ...problem.facts, ...grade?.facts },
    defects: [...generation.defects, ...reply.defects],
    ...(price && { costUsd: costOf(price, paid, startedMs) }),
    ...(logprobs && { logProbSum: logprobs.reduce((sum, value) => sum + value, 0) }),
    timing: {
      startedMs,
      endedMs,
      ...(firstTokenMs !== undefined && { firstTokenMs }),
      ...(grade && { gradeMs: performance.now() - gradeStart }),
      attempts: attempts.map((attempt) => ({ ...attempt })),
    },
  };
}

function statusOf({ finishReason }: Generation): SampleStatus {
  if (finishReason === "length") return "truncated";
  return finishReason === "content_filter" || finishReason === "refusal" ? "refused" : "ok";
}

const billed = (attempts: readonly Attempt[]): number =>
  attempts.reduce(
    (sum, { message, billedTokens }) => sum + (message === undefined ? 0 : (billedTokens ?? 0)),
    0,
  );
