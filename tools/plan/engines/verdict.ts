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
  return `${where}${others(count)}: ${why} (expected ${expected}, found ${found})`;
}

/** Collects what rules find. What holds for many tensors is counted and the first is named, so that the lists stay short. */
export interface Findings {
  problem(problem: Omit<EngineProblem, "count">): void;
  /** Turns a `yes` into `unknown`. */
  doubt(text: string, where?: string): void;
  note(text: string, where?: string): void;
  result(): Pick<EngineVerdict, "loads" | "problems" | "notes">;
}

export function collectFindings(): Findings {
  const problems = new Map<string, EngineProblem>();
  const doubts = new Map<string, Remark>();
  const notes = new Map<string, Remark>();
  return {
    problem(problem) {
      const { expected, found, why } = problem;
      const key = JSON.stringify([expected, found, why]);
      const first = problems.get(key);
      problems.set(key, first ? { ...first, count: first.count + 1 } : { ...problem, count: 1 });
    },
    doubt: (text, where) => remark(doubts, text, where),
    note: (text, where) => remark(notes, text, where),
    result: () => ({
      loads: problems.size > 0 ? "no" : doubts.size > 0 ? "unknown" : "yes",
      problems: [...problems.values()],
      notes: [...doubts, ...notes].map(([text, { where, count }]) =>
        where === undefined ? text : `${where}${others(count)}: ${text}`,
      ),
    }),
  };
}

interface Remark {
  readonly where: string | undefined;
  readonly count: number;
}

function remark(remarks: Map<string, Remark>, text: string, where: string | undefined): void {
  const first = remarks.get(text);
  remarks.set(text, first ? { ...first, count: first.count + 1 } : { where, count: 1 });
}

const others = (count: number): string => (count > 1 ? ` and ${count - 1} more` : "");
