import type { Schema } from "../arrow-writer.ts";

/**
 * What became of one sample of an evaluation. One row of `report.arrow`, sorted by task, problem and epoch. The columns
 * from `startedMs` on are those that no two runs share.
 */
export interface EvalRow {
  readonly task: string;
  readonly problem: string;
  readonly epoch: number;
  /** SHA-256 in hex, as the names of the blobs. */
  readonly key: string;
  readonly promptSha: string;
  readonly responseSha: string | null;
  readonly reasoningSha: string | null;
  readonly promptTokens: number;
  /** As the server counted; must agree. */
  readonly serverPromptTokens: number | null;
  readonly cachedTokens: number | null;
  readonly completionTokens: number | null;
  readonly reasoningTokens: number | null;
  readonly finishReason: string | null;
  /** ok, truncated, refused, skipped_too_long, failed, infra_error. */
  readonly status: string;
  /** 0 to 1; null where nothing was graded. */
  readonly score: number | null;
  readonly verdict: string | null;
  readonly seed: number;
  readonly maxTokens: number;
  /** Tokens that the problem was made for; of long-context tasks. */
  readonly length: number | null;
  /** Of each needle: the share of the prompt's tokens before it. */
  readonly depths: readonly number[] | null;
  readonly needleOffsets: readonly number[] | null;
  /** What else the task and its grader say, as JSON. */
  readonly facts: string;
  readonly defects: readonly string[];
  readonly message: string | null;
  readonly servedModel: string | null;
  readonly fingerprint: string | null;
  readonly logProbSum: number | null;
  readonly startedMs: number;
  /** From the start of the try that succeeded to its first token. */
  readonly firstTokenMs: number | null;
  readonly endedMs: number;
  readonly gradeMs: number | null;
  readonly costUsd: number | null;
  readonly attempts: number;
  /** Every try, as JSON. */
  readonly attemptLog: string;
}

export const EVAL: Schema<EvalRow> = {
  task: "utf8",
  problem: "utf8",
  epoch: "uint32",
  key: "utf8",
  promptSha: "utf8",
  responseSha: "utf8?",
  reasoningSha: "utf8?",
  promptTokens: "uint32",
  serverPromptTokens: "uint32?",
  cachedTokens: "uint32?",
  completionTokens: "uint32?",
  reasoningTokens: "uint32?",
  finishReason: "utf8?",
  status: "utf8",
  score: "float64?",
  verdict: "utf8?",
  seed: "uint32",
  maxTokens: "uint32",
  length: "uint32?",
  depths: "float64[]?",
  needleOffsets: "float64[]?",
  facts: "utf8",
  defects: "utf8[]",
  message: "utf8?",
  servedModel: "utf8?",
  fingerprint: "utf8?",
  logProbSum: "float64?",
  startedMs: "timestamp",
  firstTokenMs: "float64?",
  endedMs: "timestamp",
  gradeMs: "float64?",
  costUsd: "float64?",
  attempts: "uint32",
  attemptLog: "utf8",
};
