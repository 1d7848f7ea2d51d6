export type Loads = "yes" | "no" | "unknown";

/** What an engine does with an artefact, and why. */
export interface EngineVerdict {
  readonly engine: string;
  /** The version whose source, issues or binaries the rules were taken from. */
  readonly version: string;
  /** `yes`: it loads and computes what the model is. `unknown`: nothing forbids it, nothing proves it either. */
  readonly loads: Loads;
  /** The same of the drafter's own file, where the artefact has one: an engine may refuse it and load the model. */
  readonly drafter?: Loads;
  readonly problems: readonly EngineProblem[];
  /** Why `unknown`, what could not be checked, and what is worth knowing. */
  readonly notes: readonly string[];
}

export interface EngineProblem {
  /** The tensor, key or file. */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
  readonly why: string;
  /** Places with the same problem, the named one included. */
  readonly count: number;
}

/** A problem as one line. */
export function formatProblem({ where, expected, found, why, count }: EngineProblem): string {
  const others = count > 1 ? ` and ${count - 1} more` : "";
  return `${where}${others}: ${why} (expected ${expected}, found ${found})`;
}

/** Collects what rules find. Equal problems in many tensors are counted and the first is named, so that the list stays short. */
export interface Findings {
  problem(problem: Omit<EngineProblem, "count">): void;
  /** Turns a `yes` into `unknown`. */
  doubt(note: string): void;
  note(note: string): void;
  result(): Pick<EngineVerdict, "loads" | "problems" | "notes">;
}

export function collectFindings(): Findings {
  const problems = new Map<string, EngineProblem>();
  const doubts = new Set<string>();
  const notes = new Set<string>();
  return {
    problem(problem) {
      const { expected, found, why } = problem;
      const key = JSON.stringify([expected, found, why]);
      const first = problems.get(key);
      problems.set(key, first ? { ...first, count: first.count + 1 } : { ...problem, count: 1 });
    },
    doubt: (note) => doubts.add(note),
    note: (note) => notes.add(note),
    result: () => ({
      loads: problems.size > 0 ? "no" : doubts.size > 0 ? "unknown" : "yes",
      problems: [...problems.values()],
      notes: [...doubts, ...notes],
    }),
  };
}
