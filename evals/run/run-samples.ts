import { V4Error } from "../../tools/lib/errors.ts";
import { mostCostOf } from "../clients/prices.ts";
import { type Budget, createBudget } from "./budget.ts";
import type { SampleRow } from "./row.ts";
import type { RunFolder } from "./run-folder.ts";
import { runSample, type SampleSetting } from "./run-sample.ts";
import { openSamples, type Sample, type SampleLedger } from "./samples.ts";

export interface LoopOptions {
  readonly folder: RunFolder;
  readonly ledger: SampleLedger;
  readonly setting: Omit<SampleSetting, "signal" | "blobs">;
  readonly tasks: Parameters<typeof openSamples>[0];
  /** Samples at work at the same time; no more problems than these exist. */
  readonly concurrency: number;
  readonly maxCostUsd: number;
  /** What earlier sessions have spent. */
  readonly spentUsd: number;
  readonly signal: AbortSignal;
  /** Hears of a sample when its row is on the disk. */
  readonly onRow: (row: SampleRow) => void;
}

/**
 * Runs the samples that are not finished, each by the first worker that is free. Returns what ended the run early, where
 * something did: every sample that ended is on record then, and those at work are given up, or awaited where only the
 * budget is spent.
 */
export async function runSamples(options: LoopOptions): Promise<V4Error | undefined> {
  const { ledger, setting, folder, tasks, concurrency, signal } = options;
  const giveUp = new AbortController();
  const all: SampleSetting = {
    ...setting,
    blobs: folder.blobs,
    signal: AbortSignal.any([signal, giveUp.signal]),
  };
  const budget = createBudget(
    setting.price ? options.maxCostUsd : Number.POSITIVE_INFINITY,
    options.spentUsd,
  );
  const samples = openSamples(tasks, setting.contract.epochs, ledger);
  let stopped: unknown;

  const work = async (): Promise<void> => {
    // Calls of a generator wait for one another, so every sample goes to one worker.
    for (let next = await samples.next(); !next.done; next = await samples.next()) {
      if (stopped !== undefined) return;
      signal.throwIfAborted();
      const row = await runWithin(budget, next.value, all);
      ledger.note(row, await folder.record(row));
      options.onRow(row);
    }
  };
  const worker = async (): Promise<void> => {
    try {
      await work();
    } catch (error) {
      // A request that was cut off by the user's signal fails in ways of its own.
      stopped ??= signal.aborted ? signal.reason : error;
      if (!(stopped instanceof BudgetSpent)) giveUp.abort(stopped);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  await samples.return(undefined);
  if (stopped === undefined) return undefined;
  if (stopped instanceof V4Error) return stopped;
  throw stopped;
}

class BudgetSpent extends V4Error {}

async function runWithin(budget: Budget, sample: Sample, setting: SampleSetting): Promise<SampleRow> {
  const { price } = setting;
  const prompt = setting.render(sample.problem);
  if (!price) return runSample(sample, prompt, setting);
  const bound = mostCostOf(price, {
    promptTokens: prompt.ids.length,
    completionTokens: sample.problem.maxTokens,
  });
  if (!(await budget.reserve(bound)))
    throw new BudgetSpent("permission", {
      what: `the next sample may cost $${bound.toFixed(2)}, and $${budget.spent().toFixed(2)} of the budget are spent`,
      next: "give a larger --max-cost to the same command, and it goes on",
    });
  let costUsd = bound;
  try {
    const row = await runSample(sample, prompt, setting);
    costUsd = row.costUsd ?? bound;
    return row;
  } finally {
    budget.settle(bound, costUsd);
  }
}
