import { insertUnits, type Recipe } from "./draft.ts";
import type { Essay } from "./essay.ts";
import { spaced } from "./needles.ts";

const NEEDLE =
  "The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.";

/** The needle that such tests began with, at `depth` percent of an essay. No judge: the answer must name both things. */
export function classicNeedleRecipe({
  essay,
  depth,
}: {
  readonly essay: Essay;
  readonly depth: number;
}): Recipe {
  return {
    name: "niah_classic",
    // Upstream leaves this many tokens free.
    replyTokens: 200,
    match: "every",
    haystack: essay.name,
    minimumUnits: 0,
    draft(_random, unitCount) {
      const { units, positions } = insertUnits(essay.sentences(unitCount), [
        { at: Math.floor((unitCount * depth) / 100), text: NEEDLE },
      ]);
      return {
        head: "Read the following text. A question about it comes at its end.\n\n",
        units: spaced(units),
        tail: "\nWhat is the best thing to do in San Francisco? Answer from the text alone, in one sentence.",
        answerPrefix: " The best thing to do in San Francisco is",
        references: ["sandwich", "Dolores Park"],
        needles: positions,
      };
    },
  };
}
