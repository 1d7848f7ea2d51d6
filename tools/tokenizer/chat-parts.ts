import { TASK_TOKENS, TOKENS } from "./chat-layout.ts";

/** A stretch of a prompt: a control token that the encoding itself wrote, or text, in which nothing is one. */
export type PromptPart = string | { readonly token: string };

const STRUCTURE = new RegExp(`(${[...Object.values(TOKENS), ...Object.values(TASK_TOKENS)].join("|")})`);

/** Text of the encoding's own, whose tokens are meant. */
export const own = (text: string): PromptPart[] =>
  text
    .split(STRUCTURE)
    .map((piece, i) => (i % 2 === 1 ? { token: piece } : piece))
    .filter((part) => part !== "");

export const textOf = (parts: readonly PromptPart[]): string =>
  parts.map((part) => (typeof part === "string" ? part : part.token)).join("");
