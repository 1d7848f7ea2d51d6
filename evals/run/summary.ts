import { type SampleRow, type SampleStatus, STATUSES } from "./row.ts";

/** Scores of a set of samples, from 0 to 1; null where no sample counts. */
export interface ScoreSummary {
  readonly samples: number;
  readonly statuses: Readonly<Record<SampleStatus, number>>;
  /** Mean over what was graded: whole answers and those cut off. */
  readonly score: number | null;
  /** Mean over all samples; those without an answer count as 0. */
  readonly scoreOfAll: number | null;
  /** Mean over whole answers alone. */
  readonly scoreOfWhole: number | null;
}

/** Adds up scores as samples end; holds no sample. */
export interface Tally {
  add(row: Pick<SampleRow, "status" | "score">): void;
  summary(): ScoreSummary;
}

export function createTally(): Tally {
  const counts = zeros();
  const sums = zeros();
  const mean = (of: readonly SampleStatus[]): number | null => {
    const count = of.reduce((total, status) => total + counts[status], 0);
    return count === 0 ? null : of.reduce((total, status) => total + sums[status], 0) / count;
  };
  return {
    add({ status, score }) {
      counts[status]++;
      sums[status] += score ?? 0;
    },
    summary: () => ({
      samples: STATUSES.reduce((total, status) => total + counts[status], 0),
      statuses: { ...counts },
      score: mean(["ok", "truncated"]),
      scoreOfAll: mean(STATUSES),
      scoreOfWhole: mean(["ok"]),
    }),
  };
}

const zeros = (): Record<SampleStatus, number> => ({
  ok: 0,
  truncated: 0,
  refused: 0,
  skipped_too_long: 0,
  failed: 0,
  infra_error: 0,
});

export interface EvalSummary extends ScoreSummary {
  readonly tasks: readonly ({ readonly task: string } & ScoreSummary)[];
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costUsd: number;
  /** Mean log-probability of a reply's token, where the back-end says it; null where it never does. */
  readonly replyLogProb: number | null;
  /** Samples that needed more than one try. */
  readonly retried: number;
  /** What was odd, with the number of samples. */
  readonly defects: Readonly<Record<string, number>>;
}

/** Kinds of defects that are told apart; whoever makes up more gets "others". */
const DEFECT_KINDS = 50;

/** `ours 812, server 815` and `ours 96, server 99` are of one kind; `deepseek-v4` is a name. */
const withoutCounts = (defect: string): string => defect.replace(/(?<= )\d+(?=,|$)/g, "…");

/** Adds up all of a run: a tally per task, and what it took. */
export function createSummary(tasks: readonly { readonly name: string }[]): {
  add(row: SampleRow): void;
  summary(): EvalSummary;
} {
  const all = createTally();
  const byTask = new Map(tasks.map(({ name }) => [name, createTally()]));
  const defects = new Map<string, number>();
  let [promptTokens, completionTokens, costUsd, retried] = [0, 0, 0, 0];
  let [logProbSum, logProbTokens] = [0, 0];
  return {
    add(row) {
      all.add(row);
      byTask.get(row.task)?.add(row);
      promptTokens += row.promptTokens;
      completionTokens += row.completionTokens ?? 0;
      costUsd += row.costUsd ?? 0;
      if (row.logProbSum !== undefined) {
        logProbSum += row.logProbSum;
        logProbTokens += row.completionTokens ?? 0;
      }
      if (row.timing.attempts.length > 1) retried++;
      for (const defect of new Set(row.defects.map(withoutCounts))) {
        const kind = defects.has(defect) || defects.size < DEFECT_KINDS ? defect : "others";
        defects.set(kind, (defects.get(kind) ?? 0) + 1);
      }
    },
    summary: () => ({
      ...all.summary(),
      tasks: [...byTask].map(([task, tally]) => ({ task, ...tally.summary() })),
      promptTokens,
      completionTokens,
      costUsd,
      replyLogProb: logProbTokens > 0 ? logProbSum / logProbTokens : null,
      retried,
      defects: Object.fromEntries([...defects].sort(([a], [b]) => (a < b ? -1 : 1))),
    }),
  };
}
