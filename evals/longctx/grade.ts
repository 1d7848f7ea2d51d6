import type { Grade, Problem } from "../task.ts";
import type { PromptEncoder, Recipe, ReferenceMatch } from "./draft.ts";

/** An answer this many times longer than it should be has listed the context, which contains every reference. */
const DUMP_FACTOR = 4;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
const CONTROL = /[\u0000-\u001f]/g;

/** RULER's post-processing: trim, control characters to line feeds, trim. */
const cleanAnswer = (text: string): string => text.trim().replace(CONTROL, "\n").trim();

export const verdictOf = (score: number): string =>
  score === 1 ? "correct" : score === 0 ? "wrong_answer" : "partial";

/** How far the references occur in the text, in any case of letters. */
export function matchReferences(text: string, references: readonly string[], match: ReferenceMatch): number {
  const cleaned = cleanAnswer(text).toLowerCase();
  const found = references.filter((reference) => cleaned.includes(reference.toLowerCase())).length;
  if (match === "any") return found > 0 ? 1 : 0;
  const share = references.length === 0 ? 0 : found / references.length;
  return match === "every" ? Math.floor(share) : share;
}

/** The score of an answer's visible text. The answer's own tokens are recorded, and whether it dumps the context. */
export function gradeAnswer(
  problem: Problem,
  content: string,
  {
    recipe,
    encoder,
  }: { readonly recipe: Pick<Recipe, "match" | "replyTokens">; readonly encoder: PromptEncoder },
): Grade {
  const score = matchReferences(content, problem.facts.references as readonly string[], recipe.match);
  const answerTokens = encoder.encode(content).length;
  return {
    score,
    verdict: verdictOf(score),
    facts: { answerTokens, dumped: answerTokens > DUMP_FACTOR * recipe.replyTokens },
  };
}
