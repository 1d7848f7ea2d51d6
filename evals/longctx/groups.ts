import type { GroupRow } from "../../reports/schemas/long-context.ts";
import { estimate } from "./intervals.ts";

/** What a benchmark reports besides scores by length: a name for each number of a row. */
function measuresOf(score: number, facts: Readonly<Record<string, unknown>>): [string, number][] {
  // MRCR: the mean match ratio, and how much of it is lost on the random start.
  if (typeof facts.lenient === "number")
    return [
      ["all lengths", score],
      ["white space before the start forgiven", facts.lenient],
      ["start missing", facts.startMissing === true ? 1 : 0],
    ];
  if (typeof facts.difficulty === "string")
    return [
      ["all", score],
      [facts.difficulty, score],
      [String(facts.lengthClass), score],
    ];
  return [];
}

/** Collects the groups of rows as they pass; samples of one problem are averaged. */
export function groupCollector(): {
  add(problem: string, score: number, facts: Readonly<Record<string, unknown>>): void;
  rows(): GroupRow[];
} {
  const groups = new Map<string, { task: string; group: string; problems: Map<string, [number, number]> }>();
  return {
    add(problem, score, facts) {
      const task = String(facts.task);
      for (const [group, value] of measuresOf(score, facts)) {
        const key = `${task}/${group}`;
        const known = groups.get(key) ?? { task, group, problems: new Map() };
        groups.set(key, known);
        const [sum, count] = known.problems.get(problem) ?? [0, 0];
        known.problems.set(problem, [sum + value, count + 1]);
      }
    },
    rows: () =>
      [...groups.values()].map(({ task, group, problems }) => ({
        task,
        group,
        ...estimate([...problems.values()].map(([sum, count]) => sum / count)),
      })),
  };
}
