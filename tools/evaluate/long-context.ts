import { join } from "node:path";
import { type LongContextSummary, type ScoredRow, summarize } from "../../evals/longctx/summary.ts";
import { summaryNotes } from "../../evals/run/render-summary.ts";
import type { SampleRow } from "../../evals/run/row.ts";
import type { EvalReport, EvalResult } from "../../evals/run/run-eval.ts";
import { writeArrow } from "../../reports/arrow-writer.ts";
import { GROUPS, HEAT, LENGTHS } from "../../reports/schemas/long-context.ts";
import { writeFileAtomic } from "../lib/disk.ts";
import type { V4Error } from "../lib/errors.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ChatProfile, ThinkingMode } from "../tokenizer/chat-types.ts";
import { type EvaluateOptions, evaluate } from "./evaluate.ts";
import { type EvalModel, type ModelChoice, openEvalModel } from "./open-model.ts";
import { type LongContextChoice, planLongContext } from "./plan-long-context.ts";
import { remarks, THRESHOLD } from "./render-long-context.ts";

export interface LongContextEvalOptions {
  readonly model: ModelChoice;
  readonly choice: LongContextChoice;
  /** Default: what the config beside the tokenizer says. */
  readonly profile?: ChatProfile;
  readonly mode: ThinkingMode;
  readonly sampling: EvaluateOptions["terms"]["sampling"];
  readonly run: Omit<EvaluateOptions, "tasks" | "terms">;
}

/** A long-context run, whole or as far as it came. */
export interface LongContextResult {
  readonly report: EvalReport;
  readonly longContext: LongContextSummary;
  /** What ended it early. */
  readonly stopped?: V4Error;
}

/** Measures a model over length and depth. Nothing is returned after a dry run. */
export async function evalLongContext(
  options: LongContextEvalOptions,
): Promise<LongContextResult | undefined> {
  const { choice, mode, sampling, run } = options;
  const { dryRun: offline, signal } = run;
  const chosen = options.profile && { profile: options.profile };
  const model = await openEvalModel(options.model, { ...chosen, mode, offline, signal });
  try {
    const { tasks, ...plan } = await planLongContext(model, choice, mode);
    const { profile } = model;
    const terms = { benchmark: "longctx", profile, mode, sampling, epochs: 1, ...plan };
    return await evaluate(model, { ...run, tasks, terms }, (result) => finish(result, model));
  } finally {
    await model.close();
  }
}

async function finish({ report, rows, stopped }: EvalResult, model: EvalModel): Promise<LongContextResult> {
  const longContext = await summarize(graded(rows()), model.config && periodsOf(model.config));
  if (stopped) return { report, longContext, stopped };
  const result = { report, longContext };
  const { lengths, heat, groups } = longContext;
  const metadata = { contractSha256: report.contractSha256, runId: report.runId };
  const path = (name: string): string => join(report.out, name);
  await writeArrow(path("lengths.arrow"), lengths, { schema: LENGTHS, metadata });
  await writeArrow(path("heat.arrow"), heat, { schema: HEAT, metadata });
  await writeArrow(path("groups.arrow"), groups, { schema: GROUPS, metadata });
  // What draws takes longer to load than a short run that is resumed.
  const { longContextHtml } = await import("../../reports/long-context/page.ts");
  const html = longContextHtml({
    title: `Long context: ${report.contract.backend.model}`,
    lengths,
    heat,
    groups,
    notes: [...remarks(longContext), ...summaryNotes(report)],
    threshold: THRESHOLD,
  });
  await writeFileAtomic(path("report.html"), Buffer.from(html));
  return result;
}

async function* graded(rows: AsyncIterable<SampleRow>): AsyncGenerator<ScoredRow> {
  for await (const { problem, score, facts, timing } of rows)
    if (score !== undefined)
      yield {
        id: problem,
        score,
        facts,
        ...(timing.firstTokenMs !== undefined && { firstTokenMs: timing.firstTokenMs }),
      };
}

function periodsOf({ slidingWindow: window, compressRatios }: ModelConfig) {
  const ratios = compressRatios.filter((ratio) => ratio > 0);
  return { window, fine: Math.min(window, ...ratios), coarse: Math.max(1, ...ratios) };
}
