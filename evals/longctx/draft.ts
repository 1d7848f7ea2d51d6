import type { ChatMessage } from "../../tools/tokenizer/chat-types.ts";
import type { Random } from "./random.ts";

/**
 * A prompt in parts: its text is `head`, the units, `tail`. Units are what a length is made of (a line, a sentence, a word,
 * a document), each with the white space that separates it, so that their token counts add up.
 */
export interface Draft {
  readonly head: string;
  readonly units: readonly string[];
  readonly tail: string;
  /** How the answer begins. */
  readonly answerPrefix: string;
  readonly references: readonly string[];
  /** Positions in `units` of what has to be found, ascending. */
  readonly needles: readonly number[];
  /** What else the record of a problem says. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** A score is the `share` of references that occur in the answer, or 1 where `any` or `every` one does. */
export type ReferenceMatch = "share" | "any" | "every";

/** How the prompts of one task are made. */
export interface Recipe {
  readonly name: string;
  /** Tokens of an answer; they count as part of a length. */
  readonly replyTokens: number;
  readonly match: ReferenceMatch;
  /** What surrounds that which is looked for: `noise`, `needles`, `words`, `documents`, or the name of an essay. */
  readonly haystack: string;
  readonly minimumUnits: number;
  /** Where a dataset ends. */
  readonly maximumUnits?: number;
  draft(random: Random, unitCount: number): Draft;
}

/** The tokenizer and the chat encoding of the model that is asked. */
export interface PromptEncoder {
  encode(text: string): readonly number[];
  decode(ids: readonly number[]): string;
  /** Tokens of the prompt as it is sent: always a full encode. */
  renderedTokens(messages: readonly ChatMessage[], answerPrefix?: string): number;
  /** Tokens that stand before the first character of a user's only message. */
  readonly leadingTokens: number;
}

export const textOfDraft = ({ head, units, tail }: Draft): string => head + units.join("") + tail;

export const messagesOf = (text: string): readonly ChatMessage[] => [{ role: "user", content: text }];

/** Puts texts among units: each `at` is a position among the units as they were. Texts at one position keep their order. */
export function insertUnits(
  units: readonly string[],
  insertions: readonly { readonly at: number; readonly text: string }[],
): { units: string[]; positions: number[] } {
  const sorted = [...insertions].sort((a, b) => a.at - b.at);
  const result: string[] = [];
  const positions: number[] = [];
  let taken = 0;
  for (const { at, text } of sorted) {
    while (taken < at) result.push(units[taken++]);
    positions.push(result.length);
    result.push(text);
  }
  while (taken < units.length) result.push(units[taken++]);
  return { units: result, positions };
}
