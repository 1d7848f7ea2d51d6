import type { ChatMessage } from "../tools/tokenizer/chat-types.ts";

/** A question to a model. */
export interface Problem {
  /** Unique within its task, and the same on every machine. */
  readonly id: string;
  readonly messages: readonly ChatMessage[];
  /** Tokens that the reply may take, reasoning included. */
  readonly maxTokens: number;
  /** What the report groups by: length, depth, needle offsets, references. JSON values alone. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** The beginning of the answer, for back-ends that continue a prompt of ours. */
  readonly answerPrefix?: string;
}

/** What an answer is worth. */
export interface Grade {
  /** From 0 to 1. */
  readonly score: number;
  /** In a word: `correct`, `wrong_answer`, `partial`. */
  readonly verdict: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** Problems and how their answers are scored. A benchmark is a file that makes tasks. */
export interface Task {
  readonly name: string;
  /** Changes whenever a problem or a score does. */
  readonly version: string;
  /** How many problems there are. */
  readonly count: number;
  /** SHA-256 of the dataset and the options that choose from it. */
  readonly digest: string;
  /** One at a time, in the same order every time. */
  problems(): AsyncIterable<Problem>;
  grade(
    problem: Problem,
    reply: { readonly content: string; readonly reasoning?: string },
  ): Grade | Promise<Grade>;
}
