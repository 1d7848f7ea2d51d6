import { dataError } from "../lib/errors.ts";
import { effortPrefix, RESPONSE_FORMAT, TAGS, TASK_TOKENS, TOKENS, TOOLS_BLOCK } from "./chat-layout.ts";
import { own, type PromptPart, textOf } from "./chat-parts.ts";
import { dropThinking, lastUserTurn, mergeTurns, orderResults, type Turn } from "./chat-turns.ts";
import type { ChatMessage, ChatProfile, ThinkingMode, ToolCall, ToolDefinition } from "./chat-types.ts";
import { type JsonValue, readPythonJson, writePythonJson } from "./python-json.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface ChatOptions {
  readonly profile: ChatProfile;
  readonly mode: ThinkingMode;
  /** Tools of the whole conversation; they go to the system message at its head, an empty one where there is none. */
  readonly tools?: readonly ToolDefinition[];
  /** Messages before `messages` that are part of the prompt already; BOS is theirs. */
  readonly context?: readonly ChatMessage[];
  /** Keep reasoning of earlier turns, as the encoding does by itself where tools are declared. */
  readonly keepReasoning?: boolean;
  readonly withoutBos?: boolean;
}

/**
 * The prompt of a conversation (evals spec 4.4), with the start of the answer behind a user's turn. Spellings of control
 * tokens in messages look like the tokens themselves here: ids come from `encodeChat`.
 */
export const renderChat = (messages: readonly ChatMessage[], options: ChatOptions): string =>
  textOf(chatParts(messages, options));

/**
 * Ids of the same prompt. Control tokens come from the encoding alone: whatever messages, tools and calls contain is text.
 * `allowSpecial` makes tokens of their spellings, as servers do that encode the prompt as one string.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions & { readonly allowSpecial?: boolean },
): number[] {
  const parts = chatParts(messages, options);
  if (options.allowSpecial) return tokenizer.encode(textOf(parts));
  const ids: number[] = [];
  // Text is split into words, so neighbours must be encoded together.
  let text = "";
  const flush = (): void => {
    for (const id of tokenizer.encodeText(text)) ids.push(id);
    text = "";
  };
  for (const part of parts)
    if (typeof part === "string") text += part;
    else {
      flush();
      ids.push(tokenizer.controlId(part.token));
    }
  flush();
  return ids;
}

function chatParts(messages: readonly ChatMessage[], options: ChatOptions): PromptPart[] {
  const { mode, keepReasoning = false, withoutBos = false } = options;
  const prefix = effortPrefix(options.profile, mode);
  const before = options.context ?? [];
  const [context, current] = before.length
    ? [withTools(before, options.tools), messages]
    : [[], withTools(messages, options.tools)];
  const contextTurns = mergeTurns(context);
  const all = orderResults([...contextTurns, ...mergeTurns(current)]);
  const thinking = mode !== "nonthink";
  const drop = !keepReasoning && !all.some(({ tools }) => tools?.length);
  const [turns, first] =
    thinking && drop ? [dropThinking(all), dropThinking(contextTurns).length] : [all, contextTurns.length];
  const lastUser = lastUserTurn(turns);
  const parts: PromptPart[] = withoutBos || context.length > 0 ? [] : own(TOKENS.bos);
  for (let i = first; i < turns.length; i++) {
    if (i === 0) parts.push(prefix);
    const thinksAfter = thinking && (!drop || i >= lastUser);
    const thought = thinking && turns[i - 1]?.task === undefined && (!drop || i > lastUser);
    for (const part of turnParts(turns[i], thought)) parts.push(part);
    for (const part of transition(turns[i], turns[i + 1], { thinking, thinksAfter })) parts.push(part);
  }
  return parts;
}

/** Messages with the conversation's tools at their head. */
function withTools(
  messages: readonly ChatMessage[],
  tools: readonly ToolDefinition[] | undefined,
): readonly ChatMessage[] {
  if (!tools?.length) return messages;
  if (messages.some((message) => message.tools?.length))
    throw dataError({
      what: "tools are given twice",
      expected: "in a message or for the whole conversation",
    });
  const [head, ...rest] = messages;
  return head?.role === "system"
    ? [{ ...head, tools }, ...rest]
    : [{ role: "system", content: "", tools }, ...messages];
}

/** `thought`: an assistant's turn ends a reasoning that the transition before it has begun. */
function turnParts(turn: Turn, thought: boolean): PromptPart[] {
  const { role, content, reasoning = "", toolCalls = [], blocks = [], withoutEos } = turn;
  switch (role) {
    case "system":
      return [content, ...appendices(turn)];
    case "developer":
      if (content === "") throw dataError({ what: "a developer message without content" });
      return [...own(TOKENS.user), content, ...appendices(turn)];
    case "user":
      return [
        ...own(TOKENS.user),
        ...blocks.flatMap(({ text, isResult }, i) => [
          i > 0 ? "\n\n" : "",
          ...(isResult ? ["<tool_result>", text, "</tool_result>"] : [text]),
        ]),
      ];
    case "latest_reminder":
      return [...own(TOKENS.reminder), content];
    case "assistant":
      return [
        ...(thought ? [reasoning, ...own(TOKENS.endThink)] : []),
        content,
        ...callParts(toolCalls),
        ...(withoutEos ? [] : own(TOKENS.eos)),
      ];
    default:
      throw dataError({ what: "unknown role of a message", found: role });
  }
}

function appendices({ tools = [], responseFormat }: Turn): PromptPart[] {
  const parts: PromptPart[] = [];
  if (tools.length) {
    const schemas = tools.map(({ name, json }) =>
      canonicalJson(json, `the definition of the tool "${name}"`),
    );
    parts.push("\n\n", ...own(TOOLS_BLOCK[0]), schemas.join("\n"), ...own(TOOLS_BLOCK[1]));
  }
  if (responseFormat !== undefined)
    parts.push("\n\n", RESPONSE_FORMAT, canonicalJson(responseFormat, "a response format"));
  return parts;
}

function canonicalJson(json: string, what: string): string {
  const value = readPythonJson(json);
  if (value === undefined) throw dataError({ what: `${what} is not valid JSON` });
  return writePythonJson(value);
}

function callParts(calls: readonly ToolCall[]): PromptPart[] {
  if (calls.length === 0) return [];
  return [
    "\n\n",
    ...own(`${TAGS.calls[0]}\n`),
    ...calls.flatMap((call, i) => [
      ...own(`${i > 0 ? "\n" : ""}${TAGS.invoke[0]}`),
      call.name,
      '">\n',
      ...parameters(call).flatMap(([name, value], j) => [
        ...own(`${j > 0 ? "\n" : ""}${TAGS.parameter[0]}`),
        name,
        `" string="${typeof value === "string"}">`,
        typeof value === "string" ? value : writePythonJson(value),
        ...own(TAGS.parameter[1]),
      ]),
      ...own(`\n${TAGS.invoke[1]}`),
    ]),
    ...own(`\n${TAGS.calls[1]}`),
  ];
}

/** Arguments that are not JSON are one parameter of that name, as they are. */
function parameters(call: ToolCall): readonly (readonly [string, JsonValue])[] {
  const value = readPythonJson(call.arguments);
  if (value === undefined) return [["arguments", call.arguments]];
  if (!(value instanceof Map))
    throw dataError({
      what: `the arguments of a call of "${call.name}"`,
      expected: "a JSON object",
      found: call.arguments.slice(0, 60),
    });
  return [...value];
}

/** What follows a turn: the start of the answer, where one follows or the prompt ends, and the token of a task. */
function transition(
  { role, task }: Turn,
  next: Turn | undefined,
  { thinking, thinksAfter }: { readonly thinking: boolean; readonly thinksAfter: boolean },
): PromptPart[] {
  if (next && next.role !== "assistant" && next.role !== "latest_reminder") return [];
  const answer = (thinks: boolean): string => TOKENS.assistant + (thinks ? TOKENS.think : TOKENS.endThink);
  if (task === "action") return own(answer(thinking) + TASK_TOKENS.action);
  if (task !== undefined) return own(TASK_TOKENS[task]);
  return role === "user" || role === "developer" ? own(answer(thinksAfter)) : [];
}
