import type { SampleStatus } from "../../evals/run/row.ts";
import type { EvaluateOptions } from "../evaluate/evaluate.ts";
import type { ModelChoice } from "../evaluate/open-model.ts";
import type { EvalArgs } from "./eval-args.ts";

/** The flags of every evaluation as options: who answers. */
export async function modelChoice(args: EvalArgs, neededTokens?: number): Promise<ModelChoice> {
  if (args.checkpoint !== undefined) {
    const { resolveLocal } = await import("../hub/resolve.ts");
    const { path } = await resolveLocal({ source: args.checkpoint });
    return { checkpoint: path, numerics: args.numerics, threads: args.threads };
  }
  const { openNamedTokenizer } = await import("./named-tokenizer.ts");
  return {
    tokenizer: await openNamedTokenizer(args.tokenizer as string),
    endpoint: {
      url: args.endpoint as string,
      model: args.model as string,
      api: args.api,
      ...(args.server !== undefined && { server: args.server }),
      key: {
        ...(args.apiKeyEnv !== undefined && { variable: args.apiKeyEnv }),
        ...(args.apiKeyFile !== undefined && { file: args.apiKeyFile }),
        optional: args.dryRun,
      },
      concurrency: args.concurrency,
      ...(args.requestsPerMinute !== undefined && { requestsPerMinute: args.requestsPerMinute }),
      ...(neededTokens !== undefined && { neededTokens }),
      // A prompt that was computed before proves nothing about this one.
      withoutCache: true,
    },
  };
}

/** And how the run goes. */
export function runChoice(args: EvalArgs, signal: AbortSignal) {
  return {
    ...(args.limit !== undefined && { limit: args.limit }),
    maxCostUsd: args.maxCost,
    ...(args.priceFile !== undefined && { priceFile: args.priceFile }),
    yes: args.yes,
    retry: (args.retry?.split(",") ?? []) as SampleStatus[],
    ...(args.out !== undefined && { out: args.out }),
    dryRun: args.dryRun,
    commandLine: ["v4kit", ...process.argv.slice(2)],
    quiet: args.quiet,
    signal,
    onPlan: (text, estimate) => {
      if (!args.quiet) process.stderr.write(`${text}\n`);
      if (args.dryRun && args.json) process.stdout.write(`${JSON.stringify({ estimate }, null, 2)}\n`);
    },
  } satisfies Partial<EvaluateOptions>;
}

/** What a sample is drawn with. Without thinking the likeliest answer counts; with it DeepSeek's own numbers are at 1. */
export const samplingOf = ({ temperature, topP, seed, mode }: EvalArgs) => ({
  temperature: temperature ?? (mode === "nonthink" ? 0 : 1),
  topP,
  seed,
});
