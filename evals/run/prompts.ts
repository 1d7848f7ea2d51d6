import { encodeChat, renderChat } from "../../tools/tokenizer/chat-encoding.ts";
import { TOKENS } from "../../tools/tokenizer/chat-layout.ts";
import { parseReply } from "../../tools/tokenizer/chat-parser.ts";
import type { ChatMessage, ChatProfile, ThinkingMode } from "../../tools/tokenizer/chat-types.ts";
import type { Tokenizer } from "../../tools/tokenizer/tokenizer.ts";
import type { BackendIdentity, Generation } from "../backend.ts";
import type { Prompt, Reply } from "./run-sample.ts";

/** The tokenizer and the chat encoding of the model that is asked. */
export interface PromptEncoder {
  encode(text: string): readonly number[];
  decode(ids: readonly number[]): string;
  render(messages: readonly ChatMessage[], answerPrefix?: string): Prompt;
  /** Tokens of the prompt as it is sent. */
  renderedTokens(messages: readonly ChatMessage[], answerPrefix?: string): number;
  /** Tokens that stand before the first character of a user's only message. */
  readonly leadingTokens: number;
}

export interface EncodingTerms {
  readonly profile: ChatProfile;
  readonly mode: ThinkingMode;
}

export function createPromptEncoder(tokenizer: Tokenizer, terms: EncodingTerms): PromptEncoder {
  const begun = (messages: readonly ChatMessage[], answerPrefix: string | undefined) =>
    answerPrefix === undefined
      ? messages
      : [...messages, { role: "assistant", content: answerPrefix, withoutEos: true } as const];
  const idsOf = (messages: readonly ChatMessage[], answerPrefix?: string): readonly number[] =>
    encodeChat(tokenizer, begun(messages, answerPrefix), terms);
  return {
    encode: (text) => tokenizer.encodeText(text),
    decode: (ids) => tokenizer.decode(ids),
    render: (messages, answerPrefix) => ({
      text: renderChat(begun(messages, answerPrefix), terms),
      ids: idsOf(messages, answerPrefix),
    }),
    renderedTokens: (messages, answerPrefix) => idsOf(messages, answerPrefix).length,
    // Behind the message stand the assistant's token and the one that begins or skips its reasoning.
    leadingTokens: idsOf([{ role: "user", content: "" }]).length - 2,
  };
}

/** Whether a back-end goes on from a prompt of ours, and so from the beginning of an answer. */
export const continuesPrompts = ({ kind }: BackendIdentity): boolean => kind.endsWith("completions");

/**
 * What a model said, apart. A completion is one text with its reasoning inside; so is what a chat server gives that does
 * not parse reasoning.
 */
export function readReply(
  { content, reasoning, finishReason }: Generation,
  { mode, isCompletion }: { readonly mode: ThinkingMode; readonly isCompletion: boolean },
): Reply {
  const unparsed = reasoning === undefined && content.includes(TOKENS.endThink);
  if (!isCompletion && !unparsed)
    return { content, ...(reasoning !== undefined && { reasoning }), defects: [] };
  // Servers keep the end of the sentence to themselves; that tokens ran out, the finish reason says.
  const ended = finishReason === "length" || content.includes(TOKENS.eos) ? content : content + TOKENS.eos;
  const parsed = parseReply(ended, { mode: unparsed && mode === "nonthink" ? "high" : mode });
  return {
    content: parsed.content,
    ...(parsed.reasoning !== undefined && { reasoning: parsed.reasoning }),
    defects: [
      ...(isCompletion ? [] : ["the server left the reasoning in the text"]),
      ...parsed.defects.filter((defect) => finishReason !== "length" || defect !== "no end of sentence"),
    ],
  };
}
