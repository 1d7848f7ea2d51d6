import { MAX_REPLY_CHARS } from "../../tools/lib/limits.ts";
import type { ToolCall } from "../../tools/tokenizer/chat-types.ts";
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

const FINISH: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  eos: "stop",
  end_turn: "stop",
  stop_sequence: "stop",
  length: "length",
  max_tokens: "length",
  content_filter: "content_filter",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  refusal: "refusal",
};

/** DeepSeek's and OpenRouter's words for a reply that the server gave up; the text is worth nothing. */
const GIVEN_UP = ["insufficient_system_resource", "error", "abort"];

/** What stands for a log-probability that the hosted API does not have. */
const MISSING_LOGPROB = -9999;

/** Reads OpenAI-style streams, of chats and of completions, and the same replies in one document. */
export function openAiReader(onTokens: (count: number) => void): ReplyReader {
  const defects = openDefects();
  const toolCalls: { id?: string; name: string; arguments: string }[] = [];
  const logprobs: number[] = [];
  const text = { content: "", reasoning: "", refusal: "" };
  let finish: string | undefined;
  let done = false;
  let usage: Usage = {};
  let servedModel: string | undefined;
  let fingerprint: string | undefined;

  const append = (part: keyof typeof text, piece: string): void => {
    if (piece === "") return;
    if (finish !== undefined) {
      defects.add("text after the finish reason was dropped");
      return;
    }
    text[part] += piece;
    if (text[part].length > MAX_REPLY_CHARS) throw new TryFailure("transport", "the reply is endless");
    onTokens(1);
  };

  const choice = (one: Json): void => {
    const delta = asObject(one.delta) ?? asObject(one.message);
    if (delta) {
      // Some servers send the reasoning under both names.
      append("reasoning", asText(delta.reasoning_content) || asText(delta.reasoning));
      append("content", asText(delta.content));
      append("refusal", asText(delta.refusal));
      if (Array.isArray(delta.tool_calls)) delta.tool_calls.forEach(addToolCall);
    } else append("content", asText(one.text));
    addLogprobs(asObject(one.logprobs));
    const reason = one.finish_reason;
    if (typeof reason === "string" && reason !== "" && finish === undefined) finish = reason;
  };

  const addToolCall = (piece: unknown, position: number): void => {
    const { index, id, function: called } = asObject(piece) ?? {};
    const at = Number.isInteger(index) ? (index as number) : position;
    if (at < 0 || at > toolCalls.length)
      throw new TryFailure("transport", "tool calls of the reply are out of order");
    toolCalls[at] ??= { name: "", arguments: "" };
    const call = toolCalls[at];
    if (typeof id === "string") call.id = id;
    call.name += asText(asObject(called)?.name);
    call.arguments += asText(asObject(called)?.arguments);
  };

  const addLogprobs = (given: Json | undefined): void => {
    const values = Array.isArray(given?.content)
      ? given.content.map((token) => asObject(token)?.logprob)
      : Array.isArray(given?.token_logprobs)
        ? given.token_logprobs
        : [];
    for (const value of values)
      if (typeof value === "number" && value > MISSING_LOGPROB) logprobs.push(value);
      else defects.add("log-probabilities of some tokens are missing");
  };

  const readUsage = (given: Json): void => {
    const count = (value: unknown, name: string): number | undefined => tokenCount(value, name, defects);
    const promptTokens = count(given.prompt_tokens, "usage.prompt_tokens");
    const completionTokens = count(given.completion_tokens, "usage.completion_tokens");
    const total = count(given.total_tokens, "usage.total_tokens");
    if (total !== undefined && total !== (promptTokens ?? 0) + (completionTokens ?? 0))
      defects.add(`usage does not add up: ${promptTokens} + ${completionTokens} is not ${total}`);
    const reasoningTokens = count(
      asObject(given.completion_tokens_details)?.reasoning_tokens ?? given.reasoning_tokens,
      "reasoning_tokens",
    );
    const cachedTokens = count(
      asObject(given.prompt_tokens_details)?.cached_tokens ?? given.prompt_cache_hit_tokens,
      "cached tokens",
    );
    // Some servers send a running count with every chunk: the last one holds.
    usage = { ...usage, ...defined({ promptTokens, completionTokens, reasoningTokens, cachedTokens }) };
  };

  return {
    push({ data }) {
      if (done) return;
      if (data.trim() === "[DONE]") {
        done = true;
        return;
      }
      const event = parseEvent(data);
      if (event.error) throw errorObjectFailure(event.error);
      if (event.object === "error") throw errorObjectFailure(event);
      if (typeof event.model === "string" && event.model !== "") servedModel = event.model;
      if (typeof event.system_fingerprint === "string") fingerprint = event.system_fingerprint;
      const first = Array.isArray(event.choices) ? asObject(event.choices[0]) : undefined;
      if (first) choice(first);
      const given = asObject(event.usage);
      if (given) readUsage(given);
    },
    get ended() {
      return done;
    },
    get billedTokens() {
      return billed(usage);
    },
    result() {
      if (finish !== undefined && GIVEN_UP.includes(finish))
        throw new TryFailure(finish === GIVEN_UP[0] ? "busy" : "server", `the server gave up: ${finish}`);
      const finishReason =
        text.refusal !== ""
          ? "refusal"
          : finish !== undefined && Object.hasOwn(FINISH, finish)
            ? FINISH[finish]
            : undefined;
      if (finishReason === undefined)
        throw new TryFailure(
          "transport",
          finish === undefined
            ? "the stream ended before the reply did"
            : `unknown finish reason "${finish}"`,
        );
      if (usage.promptTokens === undefined) defects.add("the server did not count the tokens of the prompt");
      return {
        content: text.content + text.refusal,
        finishReason,
        usage,
        defects: defects.list(),
        ...defined({
          reasoning: text.reasoning === "" ? undefined : text.reasoning,
          toolCalls: toolCalls.length > 0 ? (toolCalls satisfies readonly ToolCall[]) : undefined,
          logprobs: logprobs.length > 0 ? logprobs : undefined,
          servedModel,
          fingerprint,
        }),
      };
    },
  };
}
