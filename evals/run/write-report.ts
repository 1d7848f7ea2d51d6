import { join } from "node:path";
import { writeArrow } from "../../reports/arrow-writer.ts";
import { EVAL, type EvalRow } from "../../reports/schemas/eval.ts";
import type { SampleRow } from "./row.ts";
import type { RunFolder } from "./run-folder.ts";
import type { SampleLedger } from "./samples.ts";

/** Rows on record in the order of tasks, problems and epochs, whenever they were written. */
export async function* rowsInOrder(folder: RunFolder, ledger: SampleLedger): AsyncGenerator<SampleRow> {
  for (let ordinal = 0; ordinal < ledger.count; ordinal++) {
    const place = ledger.place(ordinal);
    if (place) yield await folder.read(place);
  }
}

/** Writes `report.arrow` from rows in order; equal rows give equal bytes. */
export async function writeEvalArrow(folder: RunFolder, rows: AsyncIterable<SampleRow>): Promise<void> {
  const { id, contractSha256, contract, v4kit } = folder.manifest;
  await writeArrow(join(folder.path, "report.arrow"), reportRows(rows), {
    schema: EVAL,
    metadata: {
      schema: "v4kit.eval@1",
      v4kit,
      runId: id,
      contractSha256,
      contract: JSON.stringify(contract),
    },
  });
}

async function* reportRows(rows: AsyncIterable<SampleRow>): AsyncGenerator<EvalRow> {
  for await (const row of rows) yield reportRow(row);
}

function reportRow(row: SampleRow): EvalRow {
  const { length, depths, needleOffsets, ...facts } = row.facts;
  const { attempts, ...timing } = row.timing;
  return {
    task: row.task,
    problem: row.problem,
    epoch: row.epoch,
    key: row.key,
    promptSha: row.prompt,
    responseSha: row.response ?? null,
    reasoningSha: row.reasoning ?? null,
    promptTokens: row.promptTokens,
    serverPromptTokens: row.serverPromptTokens ?? null,
    cachedTokens: row.cachedTokens ?? null,
    completionTokens: row.completionTokens ?? null,
    reasoningTokens: row.reasoningTokens ?? null,
    finishReason: row.finishReason ?? null,
    status: row.status,
    score: row.score ?? null,
    verdict: row.verdict ?? null,
    seed: row.seed,
    maxTokens: row.maxTokens,
    length: numberOrNull(length),
    depths: numbersOrNull(depths),
    needleOffsets: numbersOrNull(needleOffsets),
    facts: JSON.stringify(facts),
    defects: row.defects,
    message: row.message ?? null,
    servedModel: row.servedModel ?? null,
    fingerprint: row.fingerprint ?? null,
    logProbSum: row.logProbSum ?? null,
    startedMs: timing.startedMs,
    firstTokenMs: timing.firstTokenMs ?? null,
    endedMs: timing.endedMs,
    gradeMs: timing.gradeMs ?? null,
    costUsd: row.costUsd ?? null,
    attempts: attempts.length,
    attemptLog: JSON.stringify(attempts),
  };
}

const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);

const numbersOrNull = (value: unknown): readonly number[] | null =>
  Array.isArray(value) && value.every((member) => typeof member === "number") ? value : null;
