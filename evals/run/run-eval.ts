import { join } from "node:path";
import { writeFileAtomic } from "../../tools/lib/disk.ts";
import type { V4Error } from "../../tools/lib/errors.ts";
import type { Backend, Generation } from "../backend.ts";
import type { Problem, Task } from "../task.ts";
import { type Contract, contractDigest, contractTask } from "./contract.ts";
import { confirmRun, type Estimate, estimateRun, priceIn, renderEstimate } from "./estimate.ts";
import type { Pricing } from "./pricing.ts";
import type { SampleRow, SampleStatus } from "./row.ts";
import { openRunFolder, type RunFolder } from "./run-folder.ts";
import { createRunProgress } from "./run-progress.ts";
import type { Prompt, Reply } from "./run-sample.ts";
import { runSamples } from "./run-samples.ts";
import { createLedger, type SampleLedger } from "./samples.ts";
import { createSummary, createTally, type EvalSummary } from "./summary.ts";
import { rowsInOrder, writeEvalArrow } from "./write-report.ts";

export interface EvalOptions {
  readonly tasks: readonly Task[];
  /** All of the contract but what the tasks say themselves. */
  readonly terms: Omit<Contract, "schema" | "tasks">;
  readonly backend: Backend;
  readonly render: (problem: Problem) => Prompt;
  readonly readReply: (generation: Generation) => Reply;
  readonly pricing: Pricing;
  readonly maxCostUsd: number;
  readonly yes: boolean;
  /**
   * The folder of the run; a run of the same contract goes on there. Default: a name made of benchmark, model and contract,
   * in the working directory.
   */
  readonly out?: string;
  readonly concurrency: number;
  readonly retry: readonly SampleStatus[];
  readonly commandLine: readonly string[];
  readonly quiet: boolean;
  readonly signal: AbortSignal;
  /** Hears what is to be done before it is begun. */
  readonly onPlan: (text: string, estimate: Estimate) => void;
}

/** A run as `report.json` has it. */
export interface EvalReport {
  readonly report: 1;
  readonly out: string;
  readonly runId: string;
  readonly v4kit: string;
  readonly contractSha256: string;
  readonly contract: Contract;
  /** Of all samples of the contract; fewer are on record of a run that was stopped. */
  readonly planned: number;
  /** True where samples are missing. */
  readonly partial: boolean;
  readonly summary: EvalSummary;
}

export interface EvalResult {
  readonly report: EvalReport;
  /** Rows on record in the order of tasks, problems and epochs. */
  readonly rows: () => AsyncIterable<SampleRow>;
  /** What ended the run early. The same command goes on. */
  readonly stopped?: V4Error;
}

/**
 * Plans a run, runs the samples that are not on record, and writes the reports. `use` gets the result while the folder
 * is still held.
 */
export async function runEval<T>(options: EvalOptions, use: (result: EvalResult) => Promise<T>): Promise<T> {
  const { tasks, retry } = options;
  const contract = contractOf(options);
  const ledger = createLedger({ tasks, epochs: contract.epochs, retry });
  let spentUsd = 0;
  const folder = await openRunFolder({
    path: options.out ?? folderName(contract),
    contract,
    commandLine: options.commandLine,
    ...(typeof options.pricing === "object" &&
      "table" in options.pricing && { prices: options.pricing.table }),
    onRow(row, place) {
      spentUsd += row.costUsd ?? 0;
      return ledger.note(row, place);
    },
  });
  try {
    const stopped = await runRest(options, { contract, ledger, folder, spentUsd });
    return await use(await finish(folder, { contract, ledger, tasks, stopped }));
  } finally {
    await folder.close();
  }
}

const contractOf = ({ terms, tasks }: Pick<EvalOptions, "terms" | "tasks">): Contract => ({
  schema: 1,
  ...terms,
  tasks: tasks.map(contractTask),
});

const folderName = (contract: Contract): string =>
  `${contract.benchmark}-${contract.backend.model.replace(/[^\w.-]+/g, "-")}-${contractDigest(contract).slice(0, 8)}`;

/** Counts what a run would ask for, without a folder and without a server. */
export async function planEval(
  options: Pick<EvalOptions, "terms" | "tasks" | "pricing" | "render" | "signal">,
): Promise<{ readonly estimate: Estimate; readonly text: string }> {
  const { tasks, terms, pricing } = options;
  const ledger = createLedger({ tasks, epochs: terms.epochs, retry: [] });
  const estimate = await estimateRun({ ...options, contract: contractOf(options), ledger });
  return { estimate, text: renderEstimate(estimate, pricing) };
}

interface Session {
  readonly contract: Contract;
  readonly ledger: SampleLedger;
  readonly folder: RunFolder;
  readonly spentUsd: number;
}

async function runRest(options: EvalOptions, session: Session): Promise<V4Error | undefined> {
  const { tasks, render, pricing, maxCostUsd, signal } = options;
  const { contract, ledger, folder, spentUsd } = session;
  const estimate = await estimateRun({ contract, tasks, ledger, pricing, render, signal });
  options.onPlan(renderEstimate(estimate, pricing), estimate);
  confirmRun(estimate, { pricing, leftUsd: maxCostUsd - spentUsd, yes: options.yes });
  const price = priceIn(pricing);
  const tally = createTally();
  for await (const row of rowsInOrder(folder, ledger)) if (!retriesRow(options, row)) tally.add(row);
  const progress = createRunProgress({ label: contract.benchmark, estimate, tally, quiet: options.quiet });
  try {
    return await runSamples({
      folder,
      ledger,
      tasks,
      setting: {
        contract,
        contractSha256: contractDigest(contract),
        identity: contract.backend,
        backend: options.backend,
        render,
        readReply: options.readReply,
        ...(price && { price }),
        onTokens: progress.tokens,
      },
      concurrency: options.concurrency,
      maxCostUsd,
      spentUsd,
      signal,
      onRow: progress.ended,
    });
  } finally {
    progress.stop();
  }
}

const retriesRow = ({ retry }: EvalOptions, { status }: SampleRow): boolean => retry.includes(status);

interface Ended {
  readonly contract: Contract;
  readonly ledger: SampleLedger;
  readonly tasks: readonly Task[];
  readonly stopped: V4Error | undefined;
}

async function finish(folder: RunFolder, { contract, ledger, tasks, stopped }: Ended): Promise<EvalResult> {
  const rows = (): AsyncIterable<SampleRow> => rowsInOrder(folder, ledger);
  const { add, summary } = createSummary(tasks);
  const added = async function* (): AsyncGenerator<SampleRow> {
    for await (const row of rows()) {
      add(row);
      yield row;
    }
  };
  if (stopped) for await (const _ of added());
  else await writeEvalArrow(folder, added());
  const report: EvalReport = {
    report: 1,
    out: folder.path,
    runId: folder.manifest.id,
    v4kit: folder.manifest.v4kit,
    contractSha256: folder.manifest.contractSha256,
    contract,
    planned: ledger.count,
    partial: stopped !== undefined,
    summary: summary(),
  };
  if (stopped) return { report, rows, stopped };
  await writeFileAtomic(
    join(folder.path, "report.json"),
    Buffer.from(`${JSON.stringify(report, null, 2)}\n`),
  );
  await folder.complete();
  return { report, rows };
}
