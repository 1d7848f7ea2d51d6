import { type Draft, insertUnits, type Recipe } from "./draft.ts";
import type { Essay } from "./essay.ts";
import { newValues, type ValueType } from "./keys.ts";
import type { Random } from "./random.ts";

/** Sentences that say nothing, as RULER has them. */
export const NOISE =
  "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

const TEMPLATE =
  "Some special magic {type} are hidden within the following text. Make sure to memorize it. I will quiz you about the {type} afterwards.\n";
const QUESTION = "What are all the special magic {type} for {query} mentioned in the provided text?";
const PREFIX = " The special magic {type} for {query} mentioned in the provided text are";

/** 40 equally spaced depths, in percent of the text. */
const DEPTHS: readonly number[] = Array.from({ length: 40 }, (_, i) => Math.round((i * 100) / 39));

export type Haystack = "noise" | "essay" | "needles";

export interface NeedleOptions {
  readonly name: string;
  readonly haystack: Haystack;
  readonly keyType: ValueType;
  readonly valueType: ValueType;
  readonly keys: number;
  readonly values: number;
  readonly queries: number;
}

/** Needles in a haystack: keys with values, some of which are asked for. `depth` in percent fixes where they lie. */
export function needleRecipe(
  options: NeedleOptions,
  { essay, depth }: { readonly essay: Essay; readonly depth?: number },
): Recipe {
  const { name, haystack, queries, values } = options;
  const keyCount = Math.max(options.keys, queries);
  const needleCount = keyCount * values;
  return {
    name,
    replyTokens: 128,
    match: "share",
    haystack: haystack === "essay" ? essay.name : haystack,
    // Lines get their needles at different places.
    minimumUnits: haystack === "essay" || depth !== undefined ? 0 : needleCount,
    draft(random, unitCount): Draft {
      const taken = new Set<string>();
      const keys = newValues(options.keyType, keyCount, { random, taken });
      const contents = keys.map(() => newValues(options.valueType, values, { random, taken }));
      const asked = random.distinct(queries, keyCount);
      const needles = random.shuffle(
        keys.flatMap((key, i) => contents[i].map((value) => needle(options.valueType, key, value))),
      );
      const places = placesOf(options.haystack, { random, unitCount, needleCount, depth });
      const lines = haystackOf(options, { random, unitCount, essay, taken });
      const { units, positions } = insertUnits(
        lines,
        needles.map((text, i) => ({ at: places[i], text })),
      );
      const references = asked.flatMap((i) => contents[i]);
      return {
        ...phrases(
          options.valueType,
          asked.map((i) => keys[i]),
          references.length === 1,
        ),
        units: haystack === "essay" ? spaced(units) : units.map((line) => `${line}\n`),
        references,
        needles: positions,
      };
    },
  };
}

const needle = (type: ValueType, key: string, value: string): string =>
  `One of the special magic ${type} for ${key} is: ${value}.`;

/** Joined with spaces, and a line of its own. */
export const spaced = (sentences: readonly string[]): string[] =>
  sentences.map((text, i) => (i === 0 ? "" : " ") + text + (i === sentences.length - 1 ? "\n" : ""));

function placesOf(
  haystack: Haystack,
  facts: {
    readonly random: Random;
    readonly unitCount: number;
    readonly needleCount: number;
    readonly depth: number | undefined;
  },
): number[] {
  const { random, unitCount, needleCount, depth } = facts;
  const atDepth = (percent: number): number => Math.floor((unitCount * percent) / 100);
  if (depth !== undefined) return new Array<number>(needleCount).fill(atDepth(depth));
  const places =
    haystack === "essay"
      ? random.distinct(needleCount, DEPTHS.length).map((i) => atDepth(DEPTHS[i]))
      : random.distinct(needleCount, unitCount);
  return places.sort((a, b) => a - b);
}

function haystackOf(
  { haystack, keyType, valueType }: NeedleOptions,
  facts: {
    readonly random: Random;
    readonly unitCount: number;
    readonly essay: Essay;
    readonly taken: Set<string>;
  },
): readonly string[] {
  const { random, unitCount, essay, taken } = facts;
  if (haystack === "noise") return new Array<string>(unitCount).fill(NOISE);
  if (haystack === "essay") return essay.sentences(unitCount);
  const keys = newValues(keyType, unitCount, { random, taken });
  const values = newValues(valueType, unitCount, { random, taken });
  return keys.map((key, i) => needle(valueType, key, values[i]));
}

/** The words around the haystack; the whole wording changes where a single value is expected. */
function phrases(
  type: ValueType,
  keys: readonly string[],
  single: boolean,
): Pick<Draft, "head" | "tail" | "answerPrefix"> {
  const query = keys.length === 1 ? keys[0] : `${keys.slice(0, -1).join(", ")}, and ${keys.at(-1)}`;
  const fill = (template: string): string => {
    const worded = single
      ? template.replaceAll("Some", "A").replaceAll("are all", "is").replaceAll("are", "is")
      : template;
    return worded.replaceAll("{type}", single ? type.slice(0, -1) : type).replaceAll("{query}", query);
  };
  return { head: fill(TEMPLATE), tail: fill(QUESTION), answerPrefix: fill(PREFIX) };
}
