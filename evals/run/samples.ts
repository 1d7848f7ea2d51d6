import { dataError, usageError } from "../../tools/lib/errors.ts";
import { MAX_SAMPLES } from "../../tools/lib/limits.ts";
import type { LinePlace } from "../../tools/lib/line-log.ts";
import type { Problem, Task } from "../task.ts";
import type { SampleRow, SampleStatus } from "./row.ts";
import { STATUSES } from "./row.ts";

/** One answer to one problem. */
export interface Sample {
  /** Its number in the order of tasks, problems and epochs. */
  readonly ordinal: number;
  readonly task: Task;
  readonly index: number;
  readonly problem: Problem;
  readonly epoch: number;
}

/** Which samples are on record, and where: 13 bytes for each that the run will have. */
export interface SampleLedger {
  readonly count: number;
  /** Samples on record that are not to be run again. */
  finished(): number;
  isFinished(ordinal: number): boolean;
  /** Notes where a row lies; false where no task has such a sample. A later row of the same sample counts. */
  note(row: SampleRow, place: LinePlace): boolean;
  place(ordinal: number): LinePlace | undefined;
}

export interface LedgerOptions {
  readonly tasks: readonly Task[];
  readonly epochs: number;
  /** Samples that ended so are run again. */
  readonly retry: readonly SampleStatus[];
}

export function createLedger({ tasks, epochs, retry }: LedgerOptions): SampleLedger {
  const bases = taskBases(tasks, epochs);
  const byName = new Map(tasks.map((task, i) => [task.name, { task, base: bases[i] }]));
  if (byName.size < tasks.length) throw new Error("two tasks have the same name");
  const count = bases[tasks.length];
  if (count > MAX_SAMPLES)
    throw usageError({
      what: "too many samples for one run",
      expected: `at most ${MAX_SAMPLES}`,
      found: String(count),
      next: "give --limit, or fewer tasks",
    });
  const positions = new Float64Array(count);
  const byteLengths = new Uint32Array(count);
  // 0: not on record, else the number of the status and one.
  const statuses = new Uint8Array(count);
  const again = retry.map((status) => STATUSES.indexOf(status) + 1);
  const isFinished = (ordinal: number): boolean =>
    statuses[ordinal] !== 0 && !again.includes(statuses[ordinal]);
  let finished = 0;
  return {
    count,
    finished: () => finished,
    isFinished,
    note({ task: name, index, epoch, status }, { position, byteLength }) {
      const known = byName.get(name);
      if (known === undefined || index >= known.task.count || epoch >= epochs) return false;
      const ordinal = known.base + index * epochs + epoch;
      if (isFinished(ordinal)) finished--;
      positions[ordinal] = position;
      byteLengths[ordinal] = byteLength;
      statuses[ordinal] = STATUSES.indexOf(status) + 1;
      if (isFinished(ordinal)) finished++;
      return true;
    },
    place: (ordinal) =>
      statuses[ordinal] === 0
        ? undefined
        : { position: positions[ordinal], byteLength: byteLengths[ordinal] },
  };
}

/** The samples that are not finished, in order. A task that gives another number of problems than it says is refused. */
export async function* openSamples(
  tasks: readonly Task[],
  epochs: number,
  ledger: SampleLedger,
): AsyncGenerator<Sample> {
  const bases = taskBases(tasks, epochs);
  for (const [i, task] of tasks.entries()) {
    const ordinalOf = (index: number, epoch: number): number => bases[i] + index * epochs + epoch;
    let index = 0;
    for await (const problem of task.problems()) {
      if (index < task.count)
        for (let epoch = 0; epoch < epochs; epoch++) {
          const ordinal = ordinalOf(index, epoch);
          if (!ledger.isFinished(ordinal)) yield { ordinal, task, index, problem, epoch };
        }
      index++;
    }
    if (index !== task.count)
      throw dataError({
        what: `the task ${task.name} has another number of problems than it says: did its dataset change?`,
        expected: String(task.count),
        found: String(index),
      });
  }
}

/** Ordinal of each task's first sample, and the count of all. */
function taskBases(tasks: readonly Task[], epochs: number): readonly number[] {
  const bases = [0];
  for (const [i, { count }] of tasks.entries()) bases.push(bases[i] + count * epochs);
  return bases;
}

/** A task's first problems. */
export const limitTask = (task: Task, limit: number): Task =>
  task.count <= limit
    ? task
    : {
        ...task,
        count: limit,
        async *problems() {
          let count = 0;
          for await (const problem of task.problems()) {
            yield problem;
            if (++count === limit) return;
          }
        },
        grade: (problem, reply) => task.grade(problem, reply),
      };
