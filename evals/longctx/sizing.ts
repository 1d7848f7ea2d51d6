import { usageError } from "../../tools/lib/errors.ts";
import { MAX_CACHED_UNITS } from "../../tools/lib/limits.ts";
import { type Draft, messagesOf, type PromptEncoder, type Recipe, textOfDraft } from "./draft.ts";
import type { Random } from "./random.ts";

export interface SizingOptions {
  /** The most tokens of a rendered prompt. */
  readonly limit: number;
  readonly encoder: PromptEncoder;
  readonly withPrefix: boolean;
  /** Hit `limit` exactly, by filler words. */
  readonly exact: boolean;
  /** Starts the same stream again each time. */
  readonly random: (sample: string) => Random;
}

/** A draft that fits, and what its prompt measures. */
export interface FittedDraft {
  readonly draft: Draft;
  readonly promptTokens: number;
  readonly needleOffsets: readonly number[];
}

export interface PromptSizer {
  /** The prompt of a sample. */
  fitted(sample: string): FittedDraft;
  /** Tokens of a sample's shortest prompt. */
  smallest(sample: string): number;
}

/**
 * Makes prompts of one task and length. How many units fit is bisected once, with the counts of units added up; every
 * sample is then counted whole, and made again with fewer units while it is too long.
 */
export function promptSizer(recipe: Recipe, options: SizingOptions): PromptSizer {
  const { limit, encoder, withPrefix, random } = options;
  const counted = (draft: Draft): number =>
    encoder.renderedTokens(messagesOf(textOfDraft(draft)), withPrefix ? draft.answerPrefix : undefined);
  const smallest = (sample: string): number => counted(recipe.draft(random(sample), recipe.minimumUnits));
  /** Units may measure less together than one by one: a whole prompt says how many more there is room for. */
  const corrected = ({ units, unitTokens }: Size): Size => {
    const spare = limit - counted(recipe.draft(random("size"), units));
    const most = recipe.maximumUnits ?? Number.POSITIVE_INFINITY;
    const fitting = Math.min(most, units + Math.max(0, Math.floor(spare / unitTokens)));
    // A unit's worth of filler at least, so that needles come to lie at every residue.
    return { units: options.exact ? Math.max(recipe.minimumUnits, fitting - 1) : fitting, unitTokens };
  };
  let sized: Size | undefined;
  return {
    smallest,
    fitted(sample) {
      sized ??= corrected(largestCount(recipe, { ...options, smallest: smallest("size") }));
      let units = sized.units;
      for (;;) {
        const draft = recipe.draft(random(sample), units);
        const promptTokens = counted(draft);
        if (promptTokens <= limit) {
          const whole = options.exact
            ? fill(draft, { promptTokens, limit, counted, random: random(`${sample}|fill`) })
            : { draft, promptTokens };
          return { ...whole, needleOffsets: offsetsOf(whole.draft, encoder) };
        }
        if (units <= recipe.minimumUnits) throw tooShort(recipe, limit, promptTokens);
        const surplus = Math.max(1, Math.ceil((promptTokens - limit) / sized.unitTokens));
        units = Math.max(recipe.minimumUnits, units - surplus);
      }
    },
  };
}

const tooShort = (recipe: Recipe, limit: number, needed: number): Error =>
  usageError({
    what: `no prompt of ${recipe.name} is that short`,
    expected: `at least ${needed} prompt tokens`,
    found: `room for ${limit}`,
    next: "give a greater --lengths",
  });

interface Size {
  readonly units: number;
  /** A unit's mean. */
  readonly unitTokens: number;
}

function largestCount(recipe: Recipe, options: SizingOptions & { readonly smallest: number }): Size {
  const { limit, encoder, random, smallest } = options;
  if (smallest > limit) throw tooShort(recipe, limit, smallest);
  const tokensOf = cachedCounts(encoder);
  const tokensOfUnits = (count: number): number =>
    recipe.draft(random("size"), count).units.reduce((sum, unit) => sum + tokensOf(unit), 0);
  const least = tokensOfUnits(recipe.minimumUnits);
  const room = limit - smallest + least;
  const most = recipe.maximumUnits ?? Number.POSITIVE_INFINITY;
  let low = recipe.minimumUnits;
  let high = Math.min(most, Math.max(32, 2 * low));
  let highTokens = tokensOfUnits(high);
  while (highTokens <= room && high < most) {
    low = high;
    // A little beyond where a straight line puts it; at least half as many again, so that this ends soon.
    const guess = Math.ceil((high * room * 1.02) / Math.max(1, highTokens)) + 1;
    high = Math.min(most, Math.max(guess, Math.ceil(high * 1.05)));
    highTokens = tokensOfUnits(high);
  }
  const unitTokens = Math.max(1, (highTokens - least) / Math.max(1, high - recipe.minimumUnits));
  if (highTokens <= room) return { units: high, unitTokens };
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (tokensOfUnits(middle) <= room) low = middle;
    else high = middle;
  }
  return { units: low, unitTokens };
}

/** Token counts of units. Numbers of equal length count as equal: this is for an estimate. */
function cachedCounts(encoder: PromptEncoder): (unit: string) => number {
  const counts = new Map<string, number>();
  return (unit) => {
    const key = unit.replace(/\d/g, "0");
    const known = counts.get(key);
    if (known !== undefined) return known;
    const count = encoder.encode(unit).length;
    if (counts.size < MAX_CACHED_UNITS) counts.set(key, count);
    return count;
  };
}

/** Tokens of the prompt before each needle. */
function offsetsOf({ head, units, needles }: Draft, encoder: PromptEncoder): number[] {
  let tokens = encoder.leadingTokens;
  let from = 0;
  return needles.map((position, i) => {
    const between = (i === 0 ? head : "") + units.slice(from, position).join("");
    tokens += encoder.encode(between).length;
    from = position;
    return tokens;
  });
}

const FILLER = " and";
/** A filler that is no token of its own needs some turns. */
const FILL_TURNS = 8;

/** Lengthens sentences of the haystack, before and after the needle, until the prompt has exactly `limit` tokens. */
function fill(
  draft: Draft,
  facts: {
    readonly promptTokens: number;
    readonly limit: number;
    readonly counted: (draft: Draft) => number;
    readonly random: Random;
  },
): { draft: Draft; promptTokens: number } {
  const { limit, counted, random } = facts;
  let { promptTokens } = facts;
  let filled = draft;
  const before = random.below(limit - promptTokens + 1);
  let words = 0;
  for (let turn = 0; turn < FILL_TURNS && promptTokens !== limit; turn++) {
    words += limit - promptTokens;
    if (words < 0) break;
    filled = withFiller(draft, Math.min(before, words), words);
    promptTokens = counted(filled);
  }
  if (promptTokens !== limit)
    throw usageError({
      what: "this tokenizer cannot hit a prompt length exactly",
      expected: `${limit} tokens`,
      found: `${promptTokens}`,
    });
  return { draft: filled, promptTokens };
}

/** Into the first and the last sentence that are no needle, or into the instruction where there is none. */
function withFiller(draft: Draft, before: number, words: number): Draft {
  const lengthened = (text: string, count: number): string =>
    text.replace(/([.!?]?\s*)$/, `${FILLER.repeat(count)}$1`);
  const { head, needles } = draft;
  const plain = draft.units.flatMap((_, i) => (needles.includes(i) ? [] : [i]));
  const last = plain.at(-1);
  if (last === undefined) return { ...draft, head: lengthened(head, words) };
  const units = [...draft.units];
  const inFront = plain[0] < needles[0] ? before : 0;
  units[plain[0]] = lengthened(units[plain[0]], inFront);
  units[last] = lengthened(units[last], words - inFront);
  return { ...draft, units };
}
