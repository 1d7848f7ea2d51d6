import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import type { Backend, Generation, GenerationRequest } from "../../evals/backend.ts";
import type { Contract } from "../../evals/run/contract.ts";
import { type EvalOptions, type EvalResult, runEval } from "../../evals/run/run-eval.ts";
import type { Task } from "../../evals/task.ts";

/** A task of sums, for runs that need no model: the answer to `3 + 4` is `7`. */
export function sumTask(count: number, name = "sums", options: Partial<Task> = {}): Task {
  return {
    name,
    version: "1",
    count,
    digest: createHash("sha256").update(`${name} ${count}`).digest("hex"),
    async *problems() {
      for (let i = 0; i < count; i++)
        yield {
          id: `sum-${i}`,
          messages: [{ role: "user", content: `${i} + ${2 * i}` }],
          maxTokens: 8,
          facts: { length: 4096, depths: [(i % 3) / 2], answer: 3 * i },
        };
    },
    grade: ({ facts }, { content }) => {
      const isRight = content === String(facts.answer);
      return { score: isRight ? 1 : 0, verdict: isRight ? "correct" : "wrong_answer" };
    },
    ...options,
  };
}

export const TERMS: Omit<Contract, "schema" | "tasks"> = {
  benchmark: "toy",
  epochs: 1,
  profile: "v4-preview",
  mode: "nonthink",
  sampling: { temperature: 1, topP: 1, seed: 0 },
  replyTokens: 8,
  answerPrefix: "omitted",
  tokenizerSha256: "0".repeat(64),
  backend: { kind: "toy", model: "adder", contextTokens: 100 },
};

/** The question of a request. */
export const questionOf = ({ messages }: GenerationRequest): string => messages[0].content;

/** What an adder answers. */
export function sumOf(question: string): string {
  const [a, b] = question.split(" + ").map(Number);
  return String(a + b);
}

export const generation = (content: string, more: Partial<Generation> = {}): Generation => ({
  content,
  finishReason: "stop",
  usage: { promptTokens: 3, completionTokens: 1 },
  elapsedMs: 1,
  defects: [],
  attempts: [{ atMs: Date.now(), elapsedMs: 1 }],
  ...more,
});

/** A back-end without a server. */
export const toyBackend = (generate: Backend["generate"]): Backend => ({
  probe: async () => TERMS.backend,
  generate,
  close: async () => {},
});

export const adder = toyBackend(async (request) => generation(sumOf(questionOf(request))));

/** Runs an evaluation with what a test does not care about filled in. */
export const runToy = (options: Partial<EvalOptions> & Pick<EvalOptions, "out">): Promise<EvalResult> =>
  runEval(
    {
      tasks: [sumTask(10)],
      terms: TERMS,
      backend: adder,
      render: ({ messages }) => ({ text: messages[0].content, ids: [0, 1, 2] }),
      readReply: ({ content, reasoning }) => ({
        content,
        ...(reasoning !== undefined && { reasoning }),
        defects: [],
      }),
      pricing: "free",
      maxCostUsd: 5,
      yes: false,
      concurrency: 4,
      retry: [],
      commandLine: ["v4kit", "eval", "toy"],
      quiet: true,
      signal: new AbortController().signal,
      onPlan: () => {},
      ...options,
    },
    async (result) => result,
  );

/** Columns that no two runs share. */
const TIMINGS = ["startedMs", "firstTokenMs", "endedMs", "gradeMs", "costUsd", "attempts", "attemptLog"];

/** A finished run's reports, without what no two runs share. */
export function reportsOf(out: string): { readonly report: object; readonly rows: readonly object[] } {
  const report = JSON.parse(readFileSync(join(out, "report.json"), "utf8")) as Record<string, unknown> & {
    summary: object;
  };
  const table = tableFromIPC(readFileSync(join(out, "report.arrow")));
  const rows = table.toArray().map((row) => {
    const values = Object.entries((row as { toJSON(): Record<string, unknown> }).toJSON());
    return Object.fromEntries(
      values
        .filter(([name]) => !TIMINGS.includes(name))
        .map(([name, value]) => [name, JSON.parse(JSON.stringify(value))]),
    );
  });
  return { report: { ...report, out: "", runId: "", summary: { ...report.summary, retried: 0 } }, rows };
}
