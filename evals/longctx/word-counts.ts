import type { Draft, Recipe } from "./draft.ts";
import { MAX_WORDS, newNames, newWords } from "./keys.ts";
import type { Random } from "./random.ts";

const COMMON = 10;

/** How often words stand in a list; below 4,096 tokens a shorter one, as upstream has it. */
const LISTS = {
  short: { common: 6, other: 1, example: { words: 20, common: 3, other: 1 } },
  long: { common: 30, other: 3, example: { words: 40, common: 10, other: 3 } },
} as const;

/** Ten words of a numbered list stand there more often than the others (CWE). A unit is a different word. */
export function commonWordsRecipe(length: number): Recipe {
  const { common, other, example } = length < 4096 ? LISTS.short : LISTS.long;
  return {
    name: "cwe",
    replyTokens: 120,
    match: "share",
    haystack: "words",
    minimumUnits: COMMON + 1,
    maximumUnits: MAX_WORDS,
    draft(random, unitCount) {
      const shown = wordList(random, { words: example.words, common: example.common, other: example.other });
      const answer = shown.references.map((word, i) => `${i + 1}. ${word}`).join(" ");
      const asked = wordList(random, { words: unitCount, common, other });
      const solved = `${shown.head}${shown.units.join("")}${shown.tail}${shown.answerPrefix} ${answer}`;
      return { ...asked, head: `${solved}\n${asked.head}` };
    },
  };
}

function wordList(
  random: Random,
  counts: { readonly words: number; readonly common: number; readonly other: number },
): Draft {
  const words = newWords(counts.words, random);
  const list = words.flatMap((word, i) =>
    new Array<string>(i < COMMON ? counts.common : counts.other).fill(word),
  );
  return {
    head:
      "Below is a numbered list of words. In these words, some appear more often than others. " +
      "Memorize the ones that appear most often.\n",
    units: random.shuffle(list).map((word, i) => `${i === 0 ? "" : " "}${i + 1}. ${word}`),
    tail: "\nQuestion: What are the 10 most common words in the above list?",
    answerPrefix: " Answer: The top 10 words that appear most often in the list are:",
    references: words.slice(0, COMMON),
    needles: [],
  };
}

const ALPHA = 2;
/** Riemann's zeta of ALPHA. */
const ZETA = Math.PI ** 2 / 6;

/** The fewest words of which ranks 2 to 5 have different counts: n / zeta (1/16 - 1/25) is at least 1. */
const LEAST_CODED_WORDS = Math.ceil(ZETA / (1 / 16 - 1 / 25));

/** Coded words whose counts follow a zeta distribution; the three most frequent are asked for (FWE). A unit is a word. */
export function codedWordsRecipe(length: number): Recipe {
  const replyTokens = 50;
  const vocabulary = Math.max(COMMON, Math.floor((length - replyTokens) / 50));
  return {
    name: "fwe",
    replyTokens,
    match: "share",
    haystack: "words",
    minimumUnits: LEAST_CODED_WORDS,
    draft(random, unitCount) {
      const words = ["...", ...newNames(vocabulary - 1, 6, random, "a")];
      const text = words.flatMap((word, i) =>
        new Array<string>(Math.floor((unitCount * (i + 1) ** -ALPHA) / ZETA)).fill(word),
      );
      return {
        head:
          "Read the following coded text and track the frequency of each coded word. " +
          "Find the three most frequently appeared coded words. ",
        units: random.shuffle(text).map((word, i) => (i === 0 ? word : ` ${word}`)),
        tail:
          "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. " +
          "What are the three most frequently appeared words in the above coded text?",
        answerPrefix:
          " Answer: According to the coded text above, the three most frequently appeared words are:",
        references: words.slice(1, 4),
        needles: [],
      };
    },
  };
}
