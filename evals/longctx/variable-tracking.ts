import { type Draft, insertUnits, type Recipe } from "./draft.ts";
import { newNames } from "./keys.ts";
import { NOISE } from "./needles.ts";
import type { Random } from "./random.ts";

const HOPS = 4;

/** Noise lines of the worked example: about 250 tokens. Short prompts have no room for them. */
const exampleLines = (length: number): number => (length < 4096 ? 0 : 10);

/** A value handed on from variable to variable, among noise; a worked example stands before it. */
export function variableRecipe(length: number): Recipe {
  return {
    name: "vt",
    replyTokens: 30,
    match: "share",
    haystack: "noise",
    minimumUnits: HOPS + 1,
    draft(random, unitCount) {
      const example = chain(random, { lines: exampleLines(length), nameLength: 3 });
      const shown =
        example.head +
        example.units.join("") +
        example.tail +
        example.answerPrefix +
        example.references.join(" ");
      const asked = chain(random, { lines: unitCount, nameLength: 5 });
      return { ...asked, head: `${shown}\n\n${asked.head}` };
    },
  };
}

function chain(
  random: Random,
  { lines, nameLength }: { readonly lines: number; readonly nameLength: number },
): Draft {
  const names = newNames(HOPS + 1, nameLength, random);
  const value = 10_000 + random.below(89_999);
  const statements = names.map((name, i) =>
    i === 0 ? `VAR ${name} = ${value}` : `VAR ${name} = VAR ${names[i - 1]} `,
  );
  const places = statements.map(() => random.below(lines + 1)).sort((a, b) => a - b);
  const { units, positions } = insertUnits(
    new Array<string>(lines).fill(NOISE),
    statements.map((text, i) => ({ at: places[i], text })),
  );
  return {
    head: "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n",
    units: units.map((line) => `${line}\n`),
    tail: `Question: Find all variables that are assigned the value ${value} in the text above.`,
    answerPrefix:
      " Answer: According to the chain(s) of variable assignment in the text above, " +
      `${names.length} variables are assigned the value ${value}, they are: `,
    references: names,
    needles: positions,
  };
}
