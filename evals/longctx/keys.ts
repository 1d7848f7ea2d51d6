import type { Random } from "./random.ts";
import { ADJECTIVES, NOUNS, VERBS } from "./words.ts";

/** What keys and values of needles are made of. */
export type ValueType = "numbers" | "words" | "uuids";

function randomValue(type: ValueType, random: Random): string {
  if (type === "numbers") return String(1_000_000 + random.below(9_000_000));
  if (type === "words") return `${random.pick(ADJECTIVES)}-${random.pick(NOUNS)}`;
  return uuid(random);
}

/** `count` different values, none of them in `taken`, which then holds them too. */
export function newValues(
  type: ValueType,
  count: number,
  { random, taken }: { readonly random: Random; readonly taken: Set<string> },
): string[] {
  const values: string[] = [];
  while (values.length < count) {
    const value = randomValue(type, random);
    if (taken.has(value)) continue;
    taken.add(value);
    values.push(value);
  }
  return values;
}

/** Version 4 (RFC 9562): 122 random bits. */
function uuid(random: Random): string {
  const hex = Array.from({ length: 4 }, () => random.bits32().toString(16).padStart(8, "0")).join("");
  const variant = "89ab"[Number.parseInt(hex[16], 16) & 3];
  const groups = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20),
  ];
  return groups.join("-");
}

/** `length` random letters; from `A` or `a` on. */
const letters = (length: number, random: Random, first: "A" | "a"): string =>
  String.fromCharCode(...Array.from({ length }, () => first.charCodeAt(0) + random.below(26)));

/** `count` different names of letters. */
export function newNames(count: number, length: number, random: Random, first: "A" | "a" = "A"): string[] {
  const names = new Set<string>();
  while (names.size < count) names.add(letters(length, random, first));
  return [...names];
}

const PLAIN_WORDS: readonly string[] = [...new Set([...NOUNS, ...ADJECTIVES, ...VERBS])];

/** How many words `newWords` can tell apart. */
export const MAX_WORDS: number = PLAIN_WORDS.length + NOUNS.length ** 2;

/** `count` different words in random order: plain ones, and pairs of nouns where more are asked for. */
export function newWords(count: number, random: Random): string[] {
  const reach = Math.max(PLAIN_WORDS.length, Math.min(MAX_WORDS, 2 * count));
  return random.distinct(count, reach).map((index) => {
    const pair = index - PLAIN_WORDS.length;
    if (pair < 0) return PLAIN_WORDS[index];
    // A step without a common divisor with the number of pairs: neighbours share no word.
    const spread = (pair * 7919) % NOUNS.length ** 2;
    return `${NOUNS[Math.floor(spread / NOUNS.length)]}-${NOUNS[spread % NOUNS.length]}`;
  });
}
