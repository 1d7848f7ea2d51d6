import {
  LENGTH_LADDER,
  type LongContextOptions,
  longContextTasks,
} from "../../evals/longctx/long-context-tasks.ts";
import { continuesPrompts } from "../../evals/run/prompts.ts";
import type { Task } from "../../evals/task.ts";
import { usageError } from "../lib/errors.ts";
import type { ThinkingMode } from "../tokenizer/chat-types.ts";
import type { EvalModel } from "./open-model.ts";

/** Which tasks of long context; the rest follows from the model. */
export type LongContextChoice = Pick<
  LongContextOptions,
  "suite" | "samples" | "seed" | "tasks" | "depths" | "style" | "essay" | "dataset" | "squad" | "hotpot"
> & {
  /** Default: the ladder up to 128K tokens, as far as the model's context goes. */
  readonly lengths?: readonly number[];
  readonly replyTokens?: number;
};

/** The context of V4, for servers that do not say theirs. */
const MODEL_CONTEXT = 1_048_576;
const DEFAULT_LONGEST = 131_072;

/** Tokens of a reply by mode, reasoning included. Without reasoning a task knows what its answer takes. */
const REPLY_TOKENS: Readonly<Partial<Record<ThinkingMode, number>>> = {
  low: 4096,
  high: 16_384,
  max: 65_536,
};

/** Where a model has to say itself what RULER's prompts begin for it. */
const UNPREFIXED_REPLY_TOKENS = 1024;
const PREFIXED_SUITES: readonly string[] = ["ruler", "niah", "residue", "ruler-qa"];

export interface LongContextPlan {
  readonly tasks: readonly Task[];
  readonly answerPrefix: "used" | "omitted";
  readonly replyTokens?: number;
}

export async function planLongContext(
  model: EvalModel,
  { lengths, replyTokens, ...choice }: LongContextChoice,
  mode: ThinkingMode,
): Promise<LongContextPlan> {
  if (choice.suite === "residue" && !model.config)
    throw usageError({
      what: "residue needs the geometry of the model's attention",
      next: "give a --tokenizer with its config.json beside it",
    });
  const context = model.identity.contextTokens ?? MODEL_CONTEXT;
  const tooLong = lengths?.find((length) => length > context);
  if (tooLong !== undefined)
    throw usageError({
      what: "--lengths: longer than the model's context",
      expected: `at most ${context} tokens`,
      found: String(tooLong),
    });
  const answerPrefix = mode === "nonthink" && continuesPrompts(model.identity);
  const unprefixed =
    !answerPrefix && PREFIXED_SUITES.includes(choice.suite) ? UNPREFIXED_REPLY_TOKENS : undefined;
  const replyBudget = replyTokens ?? REPLY_TOKENS[mode] ?? unprefixed;
  const tasks = await longContextTasks({
    ...choice,
    lengths: lengths ?? LENGTH_LADDER.filter((length) => length <= Math.min(context, DEFAULT_LONGEST)),
    encoder: model.encoder,
    answerPrefix,
    contextTokens: context,
    ...(replyBudget !== undefined && { replyBudget }),
    ...(model.config && { geometry: model.config }),
  });
  return {
    tasks,
    answerPrefix: answerPrefix ? "used" : "omitted",
    ...(replyBudget !== undefined && { replyTokens: replyBudget }),
  };
}
