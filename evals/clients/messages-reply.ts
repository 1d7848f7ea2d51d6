import { MAX_REPLY_CHARS } from "../../tools/lib/limits.ts";
import type { FinishReason, Usage } from "../backend.ts";
import { errorObjectFailure, TryFailure } from "./failures.ts";
import {
  asObject,
  asText,
  billed,
  defined,
  type Json,
  openDefects,
  parseEvent,
  type ReplyReader,
  tokenCount,
} from "./reply.ts";

const STOP: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  refusal: "refusal",
};

interface Block {
  readonly type: string;
  readonly id?: string;
  readonly name?: string;
  text: string;
}

/** Reads Anthropic-style streams (`message_start`, `content_block_delta`, `message_delta`, …) and single documents. */
export function messagesReader(onTokens: (count: number) => void): ReplyReader {
  const defects = openDefects();
  const blocks = new Map<number, Block>();
  let stop: string | undefined;
  let ended = false;
  let usage: Usage = {};
  let servedModel: string | undefined;

  const openBlock = (index: number, given: Json | undefined): void => {
    const { type, text, thinking, id, name, input } = given ?? {};
    // In a stream `input` begins as an empty object, and its text follows.
    const written = asObject(input) && Object.keys(input as object).length > 0 ? JSON.stringify(input) : "";
    blocks.set(index, {
      type: asText(type),
      text: asText(text) || asText(thinking) || written,
      ...defined({
        id: typeof id === "string" ? id : undefined,
        name: typeof name === "string" ? name : undefined,
      }),
    });
  };

  const grow = (index: number, delta: Json | undefined): void => {
    const piece = asText(delta?.text) || asText(delta?.thinking) || asText(delta?.partial_json);
    if (piece === "") return;
    const block = blocks.get(index);
    if (!block) throw new TryFailure("transport", `a piece of block ${index}, which was never begun`);
    if (stop !== undefined) {
      defects.add("text after the stop reason was dropped");
      return;
    }
    block.text += piece;
    if (block.text.length > MAX_REPLY_CHARS) throw new TryFailure("transport", "the reply is endless");
    onTokens(1);
  };

  const readUsage = (given: Json | undefined): void => {
    if (!given) return;
    const count = (name: string): number | undefined => tokenCount(given[name], `usage.${name}`, defects);
    const input = count("input_tokens");
    const read = count("cache_read_input_tokens");
    const created = count("cache_creation_input_tokens");
    // What the cache held is not part of input_tokens.
    const promptTokens = input === undefined ? undefined : input + (read ?? 0) + (created ?? 0);
    usage = {
      ...usage,
      ...defined({ promptTokens, completionTokens: count("output_tokens"), cachedTokens: read }),
    };
  };

  const message = (given: Json | undefined): void => {
    if (typeof given?.model === "string") servedModel = given.model;
    readUsage(asObject(given?.usage));
    if (Array.isArray(given?.content))
      for (const [i, block] of given.content.entries()) openBlock(i, asObject(block));
    if (typeof given?.stop_reason === "string") stop ??= given.stop_reason;
  };

  const on: Readonly<Record<string, (event: Json) => void>> = {
    message_start: (event) => message(asObject(event.message)),
    content_block_start: (event) => openBlock(Number(event.index), asObject(event.content_block)),
    content_block_delta: (event) => grow(Number(event.index), asObject(event.delta)),
    message_delta(event) {
      const reason = asObject(event.delta)?.stop_reason;
      if (typeof reason === "string") stop ??= reason;
      readUsage(asObject(event.usage));
    },
    message_stop() {
      ended = true;
    },
    // The whole reply in one document.
    message(event) {
      message(event);
      ended = true;
    },
    error(event) {
      throw errorObjectFailure(event.error ?? event);
    },
  };

  const textOf = (type: string): string =>
    [...blocks.values()]
      .filter((block) => block.type === type)
      .map(({ text }) => text)
      .join("");

  return {
    push({ data }) {
      if (ended) return;
      if (data.trim() === "[DONE]") return;
      const event = parseEvent(data);
      if (event.error) throw errorObjectFailure(event.error);
      const type = asText(event.type);
      // Unknown events are to be ignored: pings, and what later versions add.
      if (Object.hasOwn(on, type)) on[type](event);
    },
    get ended() {
      return ended;
    },
    get billedTokens() {
      return billed(usage);
    },
    result() {
      const finishReason = stop !== undefined && Object.hasOwn(STOP, stop) ? STOP[stop] : undefined;
      if (finishReason === undefined)
        throw new TryFailure(
          "transport",
          stop === undefined ? "the stream ended before the reply did" : `unknown stop reason "${stop}"`,
        );
      if (usage.promptTokens === undefined) defects.add("the server did not count the tokens of the prompt");
      const calls = [...blocks.values()].filter(({ type }) => type === "tool_use");
      const reasoning = textOf("thinking");
      return {
        content: textOf("text"),
        finishReason,
        usage,
        defects: defects.list(),
        ...defined({
          reasoning: reasoning === "" ? undefined : reasoning,
          toolCalls:
            calls.length > 0
              ? calls.map(({ id, name, text }) => ({
                  name: name ?? "",
                  arguments: text || "{}",
                  ...defined({ id }),
                }))
              : undefined,
          servedModel,
        }),
      };
    },
  };
}
