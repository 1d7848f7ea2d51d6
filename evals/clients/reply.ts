import type { ToolCall } from "../../tools/tokenizer/chat-types.ts";
import type { FinishReason, Usage } from "../backend.ts";
import { TryFailure } from "./failures.ts";

/** What a server sent, put together. */
export interface Reply {
  readonly content: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly servedModel?: string;
  readonly fingerprint?: string;
  readonly logprobs?: readonly number[];
  readonly defects: readonly string[];
}

/** Puts a reply together from its events. Every method may throw a `TryFailure`. */
export interface ReplyReader {
  push(event: { readonly name?: string; readonly data: string }): void;
  /** Nothing of interest follows. */
  readonly ended: boolean;
  /** Tokens that the server has counted so far, for tries that fail later. */
  readonly billedTokens: number | undefined;
  /** The reply; one that was cut is a failure. */
  result(): Reply;
}

export type Json = Readonly<Record<string, unknown>>;

export const asObject = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;

export const asText = (value: unknown): string => (typeof value === "string" ? value : "");

/** Parses an event's data, which must be an object. */
export function parseEvent(data: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new TryFailure("transport", "malformed JSON in the stream");
  }
  const object = asObject(value);
  if (!object) throw new TryFailure("transport", "an event of the stream is no object");
  return object;
}

/** Counts what is odd about a reply, each thing once. */
export function openDefects() {
  const defects = new Set<string>();
  return { add: (text: string): void => void defects.add(text), list: (): readonly string[] => [...defects] };
}

/** A count of tokens; what is none is left out and said. */
export function tokenCount(
  value: unknown,
  name: string,
  defects: { add(text: string): void },
): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  defects.add(`${name} is no count: ${JSON.stringify(value)?.slice(0, 40)}`);
  return undefined;
}

/** Leaves out members that are undefined, as optional members want it. */
export function defined<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Tokens that a server may charge for; undefined where it counted none. */
export function billed({ promptTokens, completionTokens }: Usage): number | undefined {
  return promptTokens === undefined && completionTokens === undefined
    ? undefined
    : (promptTokens ?? 0) + (completionTokens ?? 0);
}
