import { V4Error } from "../../tools/lib/errors.ts";
import { formatCount } from "../../tools/lib/units.ts";
import { mostCostOf, type Price } from "../clients/prices.ts";
import type { Problem, Task } from "../task.ts";
import type { Contract } from "./contract.ts";
import type { Pricing } from "./pricing.ts";
import type { Prompt } from "./run-sample.ts";
import { openSamples, type SampleLedger } from "./samples.ts";

/** What is left to do, counted before the first token is asked for. */
export interface Estimate {
  readonly samples: number;
  /** Of samples on record. */
  readonly finished: number;
  readonly promptTokens: number;
  /** The most that replies can take. */
  readonly replyTokens: number;
  /** The most that it can cost without repeated tries; absent where nothing is charged or no price is known. */
  readonly costUsd?: number;
  readonly longestPrompt: number;
}

export interface EstimateOptions {
  readonly contract: Contract;
  readonly tasks: readonly Task[];
  readonly ledger: SampleLedger;
  readonly pricing: Pricing;
  readonly render: (problem: Problem) => Prompt;
  readonly signal?: AbortSignal;
}

/** Renders every problem that is left, one at a time. */
export async function estimateRun(options: EstimateOptions): Promise<Estimate> {
  const { contract, tasks, ledger, pricing, render, signal } = options;
  const price = priceIn(pricing);
  let [samples, promptTokens, replyTokens, costUsd, longestPrompt] = [0, 0, 0, 0, 0];
  let last: { readonly problem: Problem; readonly tokens: number } | undefined;
  for await (const { problem } of openSamples(tasks, contract.epochs, ledger)) {
    signal?.throwIfAborted();
    // Epochs of a problem follow one another.
    if (last?.problem !== problem) last = { problem, tokens: render(problem).ids.length };
    const { maxTokens } = problem;
    samples++;
    promptTokens += last.tokens;
    replyTokens += maxTokens;
    longestPrompt = Math.max(longestPrompt, last.tokens);
    if (price) costUsd += mostCostOf(price, { promptTokens: last.tokens, completionTokens: maxTokens });
  }
  return {
    samples,
    finished: ledger.finished(),
    promptTokens,
    replyTokens,
    longestPrompt,
    ...(price && { costUsd }),
  };
}

export const priceIn = (pricing: Pricing): Price | undefined =>
  pricing !== "free" && "price" in pricing ? pricing.price : undefined;

export function renderEstimate(estimate: Estimate, pricing: Pricing): string {
  const { samples, finished, promptTokens, replyTokens, longestPrompt, costUsd } = estimate;
  const money =
    costUsd !== undefined
      ? `, at most $${inCents(costUsd)} without repeated tries`
      : pricing === "free"
        ? ""
        : ", and what that costs is not known";
  return (
    `${formatCount(samples)} samples to run${finished > 0 ? ` (${formatCount(finished)} are on record)` : ""}: ` +
    `${formatCount(promptTokens)} prompt tokens (longest ${formatCount(longestPrompt)}), ` +
    `at most ${formatCount(replyTokens)} of replies${money}`
  );
}

/** A bound is rounded up: what costs a tenth of a cent does not cost nothing. */
const inCents = (usd: number): string => (Math.ceil(usd * 100) / 100).toFixed(2);

/** Asks for --yes where the run may cost more than is left of the budget, or nobody knows what it costs. */
export function confirmRun(
  { samples, costUsd }: Estimate,
  { pricing, leftUsd, yes }: { readonly pricing: Pricing; readonly leftUsd: number; readonly yes: boolean },
): void {
  if (yes || samples === 0 || pricing === "free") return;
  if ("unknown" in pricing)
    throw new V4Error("usage", {
      what: `${pricing.unknown}, so --max-cost cannot hold`,
      next: "give --price-file FILE with today's price, or --yes to run all the same",
    });
  if ((costUsd ?? 0) > leftUsd)
    throw new V4Error("usage", {
      what: "the run may cost more than its budget",
      expected: `at most $${leftUsd.toFixed(2)}`,
      found: `$${inCents(costUsd ?? 0)}`,
      next: "give a larger --max-cost, fewer samples (--limit), or --yes to run until the budget is spent",
    });
}
