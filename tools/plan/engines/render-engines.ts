import { renderTable } from "../../lib/table.ts";
import { type EngineVerdict, formatProblem } from "./verdict.ts";

/** A reason beyond this is cut: `inspect --engines` has all of them whole. */
const REASON_LENGTH = 90;

/** What stands in the column of reasons: the first problem, else the first note. */
function reason({ problems, notes }: EngineVerdict): string {
  const [problem] = problems;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : "";
  const text = !problem
    ? (notes[0] ?? "")
    : problem.where === "artefact"
      ? `needs ${problem.expected}${more}`
      : `${problem.where}: ${problem.why}${more}`;
  return text.length > REASON_LENGTH ? `${text.slice(0, REASON_LENGTH - 3)}...` : text;
}

/** Which engines load an artefact, a line each; `all` adds every problem and note. */
export function renderEngines(verdicts: readonly EngineVerdict[], all: boolean): string {
  const table = renderTable(
    [{ title: "engine" }, { title: "loads" }, { title: "drafter" }, { title: all ? "rules of" : "why" }],
    verdicts.map((verdict) => [
      verdict.engine,
      verdict.loads,
      verdict.drafter ?? "",
      all ? verdict.version : reason(verdict),
    ]),
  );
  if (!all) return table;
  const details = verdicts
    .filter(({ problems, notes }) => problems.length + notes.length > 0)
    .map(({ engine, problems, notes }) =>
      [
        `${engine}:`,
        ...problems.map((problem) => `  ${formatProblem(problem)}`),
        ...notes.map((note) => `  note: ${note}`),
      ].join("\n"),
    );
  return [table, ...details].join("\n\n");
}
