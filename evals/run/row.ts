import * as v from "valibot";

/**
 * How a sample ended. `ok`: a whole answer. `truncated`: the tokens ran out, what there is was graded. The others have no
 * answer that could be graded: `refused` by the model or a filter, `skipped_too_long` for the context, `failed` by the
 * same refusal of the server again and again, `infra_error` where all tries failed.
 */
export const STATUSES = ["ok", "truncated", "refused", "skipped_too_long", "failed", "infra_error"] as const;

export type SampleStatus = (typeof STATUSES)[number];

const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Facts = v.record(v.string(), v.unknown());

const Row = v.object({
  key: Sha256,
  task: v.string(),
  /** Of the problem in its task. */
  index: Count,
  problem: v.string(),
  epoch: Count,
  status: v.picklist(STATUSES),
  /** Absent where nothing was graded. */
  score: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  verdict: v.optional(v.string()),
  prompt: Sha256,
  response: v.optional(Sha256),
  reasoning: v.optional(Sha256),
  promptTokens: Count,
  serverPromptTokens: v.optional(Count),
  cachedTokens: v.optional(Count),
  completionTokens: v.optional(Count),
  reasoningTokens: v.optional(Count),
  finishReason: v.optional(v.string()),
  servedModel: v.optional(v.string()),
  fingerprint: v.optional(v.string()),
  seed: Count,
  maxTokens: Count,
  /** Of the problem, and of the grade. */
  facts: Facts,
  defects: v.array(v.string()),
  /** Why there is no answer. */
  message: v.optional(v.string()),
  costUsd: v.optional(v.number()),
  logProbSum: v.optional(v.number()),
  /** What no two runs share. */
  timing: v.object({
    startedMs: v.number(),
    endedMs: v.number(),
    firstTokenMs: v.optional(v.number()),
    gradeMs: v.optional(v.number()),
    attempts: v.array(Facts),
  }),
});

/** What became of one sample: a line of `rows.jsonl`, written when it ends. */
export type SampleRow = v.InferOutput<typeof Row>;

export const isSampleRow = (line: unknown): line is SampleRow => v.is(Row, line);
