import { expect, test } from "vitest";
import { matchReferences } from "../../evals/longctx/grade.ts";
import { chosenLetter } from "../../evals/longctx/longbench.ts";
import { mrcrScores } from "../../evals/longctx/mrcr.ts";
import { problemsOf, smallTasks } from "../support/long-context.ts";

test.each([
  ["  1234567, 7654321.\n", ["1234567", "7654321"], "share", 1],
  ["only 1234567", ["1234567", "7654321"], "share", 0.5],
  ["none", ["1234567"], "share", 0],
  ["", ["1234567"], "share", 0],
  ["ABCDE", ["abcde"], "share", 1],
  ["a\u0000b", ["a\nb"], "share", 1],
  ["Paris", ["paris", "the city of Paris"], "any", 1],
  ["Rome", ["paris"], "any", 0],
  ["Eat a SANDWICH in dolores park", ["sandwich", "Dolores Park"], "every", 1],
  ["Eat a sandwich", ["sandwich", "Dolores Park"], "every", 0],
] as const)("%j", (text, references, match, score) => {
  expect(matchReferences(text, references, match)).toBe(score);
});

test("answers are graded by their visible text; one that lists the context is flagged", async () => {
  const [task] = await smallTasks({ suite: "ruler", tasks: ["niah_multivalue"] });
  const [problem] = await problemsOf(task);
  const references = problem.facts.references as string[];
  const grade = (content: string, reasoning?: string) =>
    task.grade(problem, { content, ...(reasoning === undefined ? {} : { reasoning }) });
  expect(await grade(` ${references.join(", ")}.`)).toMatchObject({
    score: 1,
    verdict: "correct",
    facts: { dumped: false },
  });
  expect(await grade(references[0])).toMatchObject({ score: 0.25, verdict: "partial" });
  expect(await grade("I cannot say", references.join())).toMatchObject({ score: 0, verdict: "wrong_answer" });
  const dump = problem.messages[0].content;
  expect(await grade(dump)).toMatchObject({ score: 1, facts: { dumped: true } });
});

test.each([
  ["The correct answer is (B)", "B"],
  ["**The correct answer is (C)**.", "C"],
  ["The correct answer is D because", "D"],
  ["The correct answer is A. No: The correct answer is (B)", "B"],
  ["the answer is (A)", undefined],
  ["The correct answer is (E)", undefined],
])("%j chooses %j", (answer, letter) => {
  expect(chosenLetter(answer)).toBe(letter);
});

test("MRCR: a missing start scores nothing, white space before it is forgiven apart", () => {
  const [start, piece] = ["aB3dE6gH9j", "A poem about tapirs, which walk."];
  const reference = start + piece;
  expect(mrcrScores(reference, reference, start)).toEqual({ strict: 1, lenient: 1 });
  expect(mrcrScores(`\n${reference}`, reference, start)).toEqual({ strict: 0, lenient: 1 });
  expect(mrcrScores(piece, reference, start)).toEqual({ strict: 0, lenient: 0 });
  expect(mrcrScores(start, reference, start)).toEqual({ strict: 0, lenient: 0 });
  expect(mrcrScores(`${start}A poem`, reference, start).strict).toBeCloseTo(12 / 38, 12);
});
