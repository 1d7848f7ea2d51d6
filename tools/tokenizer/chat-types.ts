/** Encodings of the V4 generations: the same layout, other effort prefixes. Never guessed: it changes the prompt. */
export type ChatProfile = "v4-preview" | "v4-0731";

/**
 * How much the model is told to think. `low` exists in v4-0731 alone; `high` of v4-preview has no prefix, `high` of
 * v4-0731 has the one that v4-preview calls `max`.
 */
export type ThinkingMode = "nonthink" | "low" | "high" | "max";

export type ChatRole = "system" | "developer" | "user" | "assistant" | "tool" | "latest_reminder";

/** Short side tasks that the model was trained to do on a turn, each with a token of its own. */
export type ChatTask = "action" | "query" | "authority" | "domain" | "title" | "read_url";

export interface ToolDefinition {
  readonly name: string;
  /** The function object (name, description, parameters, …) as JSON text: order and numbers are part of the prompt. */
  readonly json: string;
}

export interface ToolCall {
  /** What a tool's result refers to; a model's own reply has none. */
  readonly id?: string;
  readonly name: string;
  /** JSON text of an object, or whatever else was written. */
  readonly arguments: string;
}

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
  /** Of an assistant: what it thought before `content`. */
  readonly reasoning?: string;
  /** Of an assistant. */
  readonly toolCalls?: readonly ToolCall[];
  /** Of a tool: the call that this is the result of. */
  readonly toolCallId?: string;
  /** Of a system or developer message; the encoding ignores them elsewhere. */
  readonly tools?: readonly ToolDefinition[];
  /** Of a system or developer message: a schema as JSON text. */
  readonly responseFormat?: string;
  /** Of a user or assistant message. */
  readonly task?: ChatTask;
  /** Of an assistant: the reply goes on, so no end of sentence is written. */
  readonly withoutEos?: boolean;
}

/** What is wrong with a reply's form; none of it stops the parser. */
export type ReplyDefect =
  | "no end of sentence"
  | "text after the end of sentence"
  | "no end of reasoning"
  | "reasoning in mode nonthink"
  | "a doubled reasoning tag"
  | "a reasoning tag inside the text"
  | "tool calls inside the reasoning"
  | "tool calls without their empty line"
  | "a special token inside the text"
  | "unfinished tool calls"
  | "malformed tool calls"
  | "text after the tool calls"
  | "a parameter that is not JSON"
  | "a parameter given twice"
  | "a tag without its first bar";

export interface ParsedReply {
  /** Absent where the mode has none and none was written. */
  readonly reasoning?: string;
  readonly content: string;
  readonly toolCalls: readonly ToolCall[];
  /** Each once, in the order of their discovery. */
  readonly defects: readonly ReplyDefect[];
}
