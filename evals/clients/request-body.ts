import { usageError } from "../../tools/lib/errors.ts";
import type { ChatMessage } from "../../tools/tokenizer/chat-types.ts";
import type { GenerationRequest } from "../backend.ts";
import type { Dialect } from "./dialects.ts";
import type { Api } from "./endpoint-url.ts";
import { asObject, defined, type Json } from "./reply.ts";

export interface BodyOptions {
  readonly api: Api;
  readonly dialect: Dialect;
  readonly model: string;
  /** Given where a cache must not be used; new for every request. */
  readonly salt?: string | undefined;
}

/** Anthropic's smallest budget of thinking tokens. */
const LEAST_THINKING_BUDGET = 1024;

/** The JSON of a request. Throws a usage error for a mode that the server does not have. */
export function requestBody(request: GenerationRequest, options: BodyOptions): Json {
  return options.api === "messages" ? messagesBody(request, options) : openAiBody(request, options);
}

/** Whether the reply can be made to begin with `answerPrefix`. */
export const takesPrefix = ({ api, dialect }: Pick<BodyOptions, "api" | "dialect">): boolean =>
  api !== "chat" || dialect.prefill !== undefined;

function openAiBody(request: GenerationRequest, { api, dialect, model, salt }: BodyOptions): Json {
  const { prompt, mode, sampling, answerPrefix, wantLogprobs } = request;
  const prefix = api === "chat" && dialect.prefill ? answerPrefix : undefined;
  const asked =
    api === "completions"
      ? { prompt: dialect.rawPrompt === "ids" ? prompt.ids : prompt.text, ...dialect.completions }
      : {
          messages: [
            ...request.messages.map(openAiMessage),
            ...(prefix === undefined ? [] : [{ role: "assistant", content: prefix }]),
          ],
          ...thinkingOf(dialect, mode),
          ...(prefix !== undefined && dialect.prefill),
        };
  return {
    model,
    ...asked,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: sampling.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    ...defined({ stop: sampling.stop }),
    ...(dialect.seed !== undefined && sampling.seed !== undefined && { [dialect.seed]: sampling.seed }),
    ...(wantLogprobs && dialect.logprobs?.[api as "chat" | "completions"]),
    ...(salt !== undefined && dialect.withoutCache?.(salt)),
  };
}

function thinkingOf({ name, thinking }: Dialect, mode: GenerationRequest["mode"]): Json {
  const members = thinking[mode];
  if (!members)
    throw usageError({
      what: `${name} has no thinking mode "${mode}"`,
      expected: Object.keys(thinking).join(", "),
    });
  return members;
}

function openAiMessage({ role, content, reasoning, toolCalls, toolCallId }: ChatMessage): Json {
  return {
    role,
    content,
    ...defined({ reasoning_content: reasoning, tool_call_id: toolCallId }),
    ...(toolCalls && {
      tool_calls: toolCalls.map((call, i) => ({
        id: call.id ?? `call_${i}`,
        type: "function",
        function: { name: call.name, arguments: call.arguments },
      })),
    }),
  };
}

function messagesBody(
  { messages, mode, sampling, answerPrefix }: GenerationRequest,
  { model }: BodyOptions,
): Json {
  const isSystem = ({ role }: ChatMessage): boolean => role === "system" || role === "developer";
  const system = messages
    .filter(isSystem)
    .map(({ content }) => content)
    .join("\n\n");
  const budget = Math.max(LEAST_THINKING_BUDGET, sampling.maxTokens - 1);
  return {
    model,
    ...(system !== "" && { system }),
    messages: [
      ...messages.filter((message) => !isSystem(message)).map(anthropicMessage),
      ...(answerPrefix === undefined ? [] : [{ role: "assistant", content: answerPrefix }]),
    ],
    stream: true,
    max_tokens: sampling.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    ...defined({ stop_sequences: sampling.stop }),
    // V4 servers read the effort and ignore the budget, which Anthropic's own needs.
    ...(mode === "nonthink"
      ? { thinking: { type: "disabled" } }
      : { thinking: { type: "enabled", budget_tokens: budget }, output_config: { effort: mode } }),
  };
}

function anthropicMessage({ role, content, reasoning, toolCalls, toolCallId }: ChatMessage): Json {
  if (role === "tool")
    return { role: "user", content: [{ type: "tool_result", tool_use_id: toolCallId ?? "call_0", content }] };
  if (role !== "assistant") return { role: "user", content };
  return {
    role,
    content: [
      ...(reasoning ? [{ type: "thinking", thinking: reasoning, signature: "" }] : []),
      ...(content !== "" ? [{ type: "text", text: content }] : []),
      ...(toolCalls ?? []).map((call, i) => ({
        type: "tool_use",
        id: call.id ?? `call_${i}`,
        name: call.name,
        input: toolInput(call.arguments),
      })),
    ],
  };
}

/** Arguments that are no JSON object, as models write them at times, still need an object here. */
function toolInput(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (asObject(value)) return value as Json;
  } catch {}
  return { arguments: text };
}
