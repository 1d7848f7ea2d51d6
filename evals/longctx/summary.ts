import type { GroupRow, HeatRow, LengthRow } from "../../reports/schemas/long-context.ts";
import { groupCollector } from "./groups.ts";
import { estimate, meanOf, meanOfEstimates } from "./intervals.ts";
import {
  type AttentionPeriods,
  type NeedlePlace,
  type PeriodicityRow,
  periodicityOf,
} from "./periodicity.ts";
import { RULER_TASK_COUNT } from "./ruler.ts";

/** One scored sample. */
export interface ScoredRow {
  /** Of the problem; several samples of one problem count as one. */
  readonly id: string;
  readonly score: number;
  /** Those of the problem and of its grade. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly firstTokenMs?: number;
}

/** RULER's own numbers: over the mean of tasks at each length. */
export interface RulerScore {
  /** Tasks that were run at every length, of 13. A mean over fewer is not RULER's. */
  readonly tasks: number;
  readonly complete: boolean;
  /** The greatest length whose mean exceeds Llama-2-7B's at 4,096 tokens. */
  readonly effectiveLength?: number;
  /** Means weighed linearly, by rising or falling weight of long prompts. */
  readonly weightedIncreasing: number;
  readonly weightedDecreasing: number;
}

export interface LongContextSummary {
  /** By task and length, and the mean of tasks where all were run. */
  readonly lengths: readonly LengthRow[];
  readonly heat: readonly HeatRow[];
  /** Of MRCR and LongBench. */
  readonly groups: readonly GroupRow[];
  readonly ruler?: RulerScore;
  readonly periodicity: readonly PeriodicityRow[];
  /** Answers that listed the context; samples with and without a prefix are different series. */
  readonly dumped: number;
  readonly answerPrefixes: readonly string[];
}

/** Llama-2-7B at 4,096 tokens, which RULER takes as its threshold. */
const PASSING_MEAN = 0.856;

/** V4's own geometry, where a model's is not given. */
const V4_PERIODS: AttentionPeriods = { window: 128, fine: 4, coarse: 128 };

/** What is kept of a problem: some numbers, so that a run of any size needs a few MB. */
interface Tally {
  readonly task: string;
  readonly length: number;
  readonly depth: number | undefined;
  readonly offset: number | undefined;
  readonly promptTokens: number;
  samples: number;
  scores: number;
  timed: number;
  firstTokenMs: number;
}

/** Aggregates rows in one pass. */
export async function summarize(
  rows: AsyncIterable<ScoredRow> | Iterable<ScoredRow>,
  periods: AttentionPeriods = V4_PERIODS,
): Promise<LongContextSummary> {
  const tallies = new Map<string, Tally>();
  const answerPrefixes = new Set<string>();
  const groups = groupCollector();
  let dumped = 0;
  for await (const row of rows) {
    const key = `${row.facts.task}/${row.id}`;
    const tally = tallies.get(key) ?? newTally(row.facts);
    tallies.set(key, tally);
    tally.samples++;
    tally.scores += row.score;
    groups.add(key, row.score, row.facts);
    if (row.firstTokenMs !== undefined) {
      tally.timed++;
      tally.firstTokenMs += row.firstTokenMs;
    }
    if (row.facts.dumped === true) dumped++;
    if (typeof row.facts.answerPrefix === "string") answerPrefixes.add(row.facts.answerPrefix);
  }
  // LongBench's texts have the lengths that they have.
  const problems = [...tallies.values()].filter(({ length }) => length > 0);
  const byTask = cellsOf(problems, ({ task, length }) => [task, length]).map(
    ([{ task, length }, cell]): LengthRow => ({ task, length, ...estimate(cell.map(scoreOf)) }),
  );
  const means = taskMeans(byTask);
  const ruler = rulerScore(byTask, means);
  return {
    lengths: [...byTask, ...means],
    heat: heatOf(problems),
    groups: groups.rows(),
    ...(ruler ? { ruler } : {}),
    periodicity: periodicityOf(problems.flatMap(placeOf), periods),
    dumped,
    answerPrefixes: [...answerPrefixes].sort(),
  };
}

const scoreOf = ({ scores, samples }: Tally): number => scores / samples;

function newTally(facts: ScoredRow["facts"]): Tally {
  const numbers = (value: unknown): readonly number[] => (Array.isArray(value) ? (value as number[]) : []);
  const depths = numbers(facts.depths);
  const offsets = numbers(facts.needleOffsets);
  const measured = depths.length === 1 ? 10 * Math.round(10 * depths[0]) : undefined;
  return {
    task: String(facts.task),
    length: Number(facts.length ?? 0),
    depth: typeof facts.requestedDepth === "number" ? facts.requestedDepth : measured,
    offset: offsets.length === 1 ? offsets[0] : undefined,
    promptTokens: Number(facts.promptTokens ?? 0),
    samples: 0,
    scores: 0,
    timed: 0,
    firstTokenMs: 0,
  };
}

/** Problems of one cell each, ordered by the cell's key. */
function cellsOf(
  problems: readonly Tally[],
  keyOf: (problem: Tally) => readonly (string | number)[],
): [Tally, Tally[]][] {
  const cells = new Map<string, Tally[]>();
  for (const problem of problems) {
    const key = keyOf(problem).join("/");
    const known = cells.get(key);
    if (known) known.push(problem);
    else cells.set(key, [problem]);
  }
  return [...cells.values()]
    .map((cell): [Tally, Tally[]] => [cell[0], cell])
    .sort(
      ([a], [b]) => a.task.localeCompare(b.task) || a.length - b.length || (a.depth ?? 0) - (b.depth ?? 0),
    );
}

function heatOf(problems: readonly Tally[]): HeatRow[] {
  const placed = problems.filter(({ depth }) => depth !== undefined);
  return cellsOf(placed, ({ task, length, depth }) => [task, length, depth!]).map(
    ([{ task, length, depth }, cell]) => {
      const timed = cell.filter((problem) => problem.timed > 0);
      const waits = timed.map((problem) => problem.firstTokenMs / problem.timed);
      const rates = timed.map((problem, i) => (1000 * problem.promptTokens) / Math.max(waits[i], 1e-3));
      return {
        task,
        length,
        ...estimate(cell.map(scoreOf)),
        depth: depth!,
        firstTokenMs: meanOf(waits),
        prefillTokensPerSecond: meanOf(rates),
      };
    },
  );
}

/** At each length the mean over tasks, where every task was run at it. */
function taskMeans(rows: readonly LengthRow[]): LengthRow[] {
  const tasks = new Set(rows.map(({ task }) => task));
  if (tasks.size < 2) return [];
  return [...new Set(rows.map(({ length }) => length))]
    .sort((a, b) => a - b)
    .map((length) => ({ length, parts: rows.filter((row) => row.length === length) }))
    .filter(({ parts }) => parts.length === tasks.size)
    .map(({ length, parts }) => ({ task: "mean", length, ...meanOfEstimates(parts) }));
}

const isRuler = (task: string): boolean => /^(niah_(single|multi)|vt$|cwe$|fwe$|qa_)/.test(task);

function rulerScore(rows: readonly LengthRow[], means: readonly LengthRow[]): RulerScore | undefined {
  const tasks = new Set(rows.map(({ task }) => task));
  if (means.length === 0 || ![...tasks].every(isRuler)) return undefined;
  const passed = means.filter(({ mean }) => mean > PASSING_MEAN).map(({ length }) => length);
  const weighted = (weightOf: (rank: number) => number): number => {
    const weights = means.map((_, rank) => weightOf(rank));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return means.reduce((sum, { mean }, rank) => sum + weights[rank] * mean, 0) / total;
  };
  return {
    tasks: tasks.size,
    complete: tasks.size === RULER_TASK_COUNT,
    ...(passed.length > 0 ? { effectiveLength: passed[passed.length - 1] } : {}),
    weightedIncreasing: weighted((rank) => rank + 1),
    weightedDecreasing: weighted((rank) => means.length - rank),
  };
}

function placeOf(problem: Tally): NeedlePlace[] {
  const { offset, promptTokens } = problem;
  return offset === undefined ? [] : [{ offset, promptTokens, score: scoreOf(problem) }];
}
