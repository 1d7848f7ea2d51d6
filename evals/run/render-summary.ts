import { printable } from "../../tools/lib/errors.ts";
import { type Column, renderTable } from "../../tools/lib/table.ts";
import { formatCount } from "../../tools/lib/units.ts";
import { type SampleStatus, STATUSES } from "./row.ts";
import type { EvalReport } from "./run-eval.ts";
import type { ScoreSummary } from "./summary.ts";

const CLASSES: Readonly<Record<SampleStatus, string>> = {
  ok: "whole",
  truncated: "cut off",
  refused: "refused",
  skipped_too_long: "too long",
  failed: "failed",
  infra_error: "no server",
};

const percent = (score: number | null): string => (score === null ? "–" : `${(100 * score).toFixed(1)} %`);

/** A run in a terminal: scores by task, every class of failure, and what the score would be with and without them. */
export function renderSummary(report: EvalReport): string {
  const [who, ...notes] = summaryNotes(report);
  return [who, "", scoreTable(report.summary), "", ...notes, report.out].join("\n");
}

/** The facts of a run, a line each. */
export function summaryNotes(report: EvalReport): readonly string[] {
  const { contract, planned, partial, summary, contractSha256 } = report;
  const { mode, profile, sampling, answerPrefix, backend } = contract;
  const { promptTokens, completionTokens, costUsd, retried, samples } = summary;
  return [
    `${backend.model} (${[backend.kind, backend.host].filter(Boolean).join(" at ")}), ${profile} ${mode}, ` +
      `temperature ${sampling.temperature}, top-p ${sampling.topP}, answer prefix ${answerPrefix}, ` +
      `contract ${contractSha256.slice(0, 12)}`,
    ...(partial ? [`PARTIAL: ${formatCount(samples)} of ${formatCount(planned)} samples`] : []),
    `score ${percent(summary.score)}${caveat(summary)}`,
    `${formatCount(promptTokens)} prompt tokens, ${formatCount(completionTokens)} of replies` +
      `${costUsd > 0 ? `, $${costUsd.toFixed(2)}` : ""}` +
      `${retried > 0 ? `; ${formatCount(retried)} samples needed more than one try` : ""}`,
    ...(backend.notes ?? []).map((note) => `note: ${note}`),
    ...Object.entries(summary.defects).map(
      ([defect, count]) => `odd: ${printable(defect)} (${formatCount(count)})`,
    ),
  ];
}

function scoreTable(summary: EvalReport["summary"]): string {
  const found = STATUSES.filter((status) => status === "ok" || summary.statuses[status] > 0);
  const columns: Column[] = [
    { title: "task" },
    ...["samples", "score", ...found.map((status) => CLASSES[status])].map(
      (title): Column => ({ title, align: "right" }),
    ),
  ];
  const line = (name: string, of: ScoreSummary): string[] => [
    name,
    formatCount(of.samples),
    percent(of.score),
    ...found.map((status) => formatCount(of.statuses[status])),
  ];
  const rows = summary.tasks.map(({ task, ...of }) => line(task, of));
  return renderTable(columns, rows.length > 1 ? [...rows, null, line("all", summary)] : rows);
}

/** Nothing that had no whole answer is counted silently, one way or the other. */
function caveat({ statuses, score, scoreOfAll, scoreOfWhole, samples }: ScoreSummary): string {
  const without = samples - statuses.ok - statuses.truncated;
  const parts = [
    without > 0 &&
      `of the ${formatCount(samples - without)} samples with an answer; ${percent(scoreOfAll)} if the ` +
        `${formatCount(without)} without one count as wrong`,
    statuses.truncated > 0 &&
      scoreOfWhole !== score &&
      `${percent(scoreOfWhole)} without the ${formatCount(statuses.truncated)} that were cut off`,
    statuses.failed + statuses.infra_error > 0 && "--retry failed,infra_error runs those again",
  ].filter((part) => typeof part === "string");
  return parts.length > 0 ? ` ${parts.join("; ")}` : "";
}
