import { documentQaRecipe, type QaDataset } from "./document-qa.ts";
import type { Recipe } from "./draft.ts";
import type { Essay } from "./essay.ts";
import { type NeedleOptions, needleRecipe } from "./needles.ts";
import { variableRecipe } from "./variable-tracking.ts";
import { codedWordsRecipe, commonWordsRecipe } from "./word-counts.ts";

const one = { keys: 1, values: 1, queries: 1 } as const;
const wordToNumber = { keyType: "words", valueType: "numbers" } as const;

/** RULER's eight needle tasks (section 4 of its paper, and the settings of its code). */
export const NEEDLE_TASKS: readonly NeedleOptions[] = [
  { name: "niah_single_1", haystack: "noise", ...wordToNumber, ...one },
  { name: "niah_single_2", haystack: "essay", ...wordToNumber, ...one },
  { name: "niah_single_3", haystack: "essay", keyType: "words", valueType: "uuids", ...one },
  { name: "niah_multikey_1", haystack: "essay", ...wordToNumber, ...one, keys: 4 },
  { name: "niah_multikey_2", haystack: "needles", ...wordToNumber, ...one },
  { name: "niah_multikey_3", haystack: "needles", keyType: "uuids", valueType: "uuids", ...one },
  { name: "niah_multivalue", haystack: "essay", ...wordToNumber, ...one, values: 4 },
  { name: "niah_multiquery", haystack: "essay", ...wordToNumber, ...one, queries: 4 },
];

/** How many tasks RULER has; its average is over all of them. */
export const RULER_TASK_COUNT = 13;

export interface RulerSources {
  readonly essay: Essay;
  /** SQuAD for qa_1, HotpotQA for qa_2; a task without its dataset is left out. */
  readonly squad?: QaDataset | undefined;
  readonly hotpot?: QaDataset | undefined;
}

/** The recipes of RULER's tasks for one length, by name. */
export function rulerRecipes({
  essay,
  squad,
  hotpot,
}: RulerSources): readonly { readonly name: string; recipe(length: number): Recipe }[] {
  return [
    ...NEEDLE_TASKS.map((options) => ({
      name: options.name,
      recipe: () => needleRecipe(options, { essay }),
    })),
    { name: "vt", recipe: variableRecipe },
    { name: "cwe", recipe: commonWordsRecipe },
    { name: "fwe", recipe: codedWordsRecipe },
    ...(squad ? [{ name: "qa_1", recipe: () => documentQaRecipe("qa_1", squad) }] : []),
    ...(hotpot ? [{ name: "qa_2", recipe: () => documentQaRecipe("qa_2", hotpot) }] : []),
  ];
}
