import type { Contract } from "../../evals/run/contract.ts";
import { findPricing } from "../../evals/run/pricing.ts";
import { continuesPrompts, readReply } from "../../evals/run/prompts.ts";
import { type EvalOptions, type EvalResult, planEval, runEval } from "../../evals/run/run-eval.ts";
import { limitTask } from "../../evals/run/samples.ts";
import type { EvalModel } from "./open-model.ts";

/** How a benchmark's tasks are put to a model. */
export interface EvaluateOptions
  extends Omit<EvalOptions, "terms" | "backend" | "render" | "readReply" | "pricing" | "concurrency"> {
  readonly terms: Omit<Contract, "schema" | "tasks" | "tokenizerSha256" | "backend">;
  /** Problems of each task, at most. */
  readonly limit?: number;
  readonly priceFile?: string;
  /** Count and ask nobody. */
  readonly dryRun: boolean;
}

/** Runs tasks on a model; `use` gets the result, or nothing after a dry run. */
export async function evaluate<T>(
  model: EvalModel,
  options: EvaluateOptions,
  use: (result: EvalResult) => Promise<T>,
): Promise<T | undefined> {
  const { identity, encoder, tokenizerSha256, backend, concurrency } = model;
  const { limit = Number.POSITIVE_INFINITY, priceFile, dryRun, onPlan } = options;
  const { mode, answerPrefix } = options.terms;
  const isCompletion = continuesPrompts(identity);
  const all: EvalOptions = {
    ...options,
    tasks: options.tasks.map((task) => limitTask(task, limit)),
    terms: { ...options.terms, tokenizerSha256, backend: identity },
    backend,
    concurrency,
    pricing: await findPricing({ identity, priceFile, nowMs: Date.now() }),
    render: (problem) =>
      encoder.render(problem.messages, answerPrefix === "used" ? problem.answerPrefix : undefined),
    readReply: (generation) => readReply(generation, { mode, isCompletion }),
    onPlan,
  };
  if (!dryRun) return runEval(all, use);
  const { text, estimate } = await planEval(all);
  onPlan(text, estimate);
  return undefined;
}
