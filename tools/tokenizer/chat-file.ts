import { dataError, type V4Error } from "../lib/errors.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { TASK_TOKENS } from "./chat-layout.ts";
import type { ChatMessage, ChatRole, ChatTask, ToolCall, ToolDefinition } from "./chat-types.ts";
import { type JsonValue, readPythonJson, writePythonJson } from "./python-json.ts";

type Fields = ReadonlyMap<string, JsonValue>;

/** A conversation as a file holds it. */
export interface ChatFile {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly ToolDefinition[];
}

/**
 * Messages in OpenAI's form with the fields of the official encoding: an array, or `{"messages": […], "tools": […]}`. The
 * refusal of a malformed one names the message, from 0, and the field.
 */
export function parseChatFile(bytes: Uint8Array, file: string): ChatFile {
  const root = parseJson(bytes, file);
  if (Array.isArray(root)) return { messages: messagesOf(root, file), tools: [] };
  if (!(root instanceof Map) || !root.has("messages"))
    throw fault(file, "", 'an array of messages, or an object with "messages"', root);
  const where = { file, path: "" };
  onlyFields(root, ["messages", "tools"], where);
  return {
    messages: messagesOf(root.get("messages"), file),
    tools: toolsOf(root.get("tools"), { file, path: "tools" }),
  };
}

/** A file of tool definitions: an array, or `{"tools": […]}`. */
export function parseToolsFile(bytes: Uint8Array, file: string): readonly ToolDefinition[] {
  const root = parseJson(bytes, file);
  return toolsOf(root instanceof Map ? root.get("tools") : root, { file, path: "tools" });
}

function parseJson(bytes: Uint8Array, file: string): JsonValue {
  // Equal keys and broken text are refused here; the other reader keeps what a prompt needs.
  parseStrictJson(bytes, file);
  const value = readPythonJson(new TextDecoder().decode(bytes));
  if (value === undefined) throw dataError({ what: "the JSON text is nested too deeply", file });
  return value;
}

interface Place {
  readonly file: string;
  readonly path: string;
}

function messagesOf(value: JsonValue | undefined, file: string): readonly ChatMessage[] {
  if (!Array.isArray(value)) throw fault(file, "messages", "an array", value);
  if (value.length === 0) throw fault(file, "messages", "at least one message", value);
  return value.map((item: JsonValue, i) => messageOf(item, file, i));
}

/** Fields of a message by role; `mask` and `name` are no part of a prompt. */
const FIELDS: Readonly<Record<ChatRole, readonly string[]>> = {
  system: ["tools", "response_format"],
  developer: ["tools", "response_format"],
  user: [],
  assistant: ["tool_calls", "reasoning_content", "wo_eos"],
  tool: ["tool_call_id"],
  latest_reminder: [],
};
const EVERYWHERE = ["role", "content", "task", "mask", "name"];

function messageOf(item: JsonValue, file: string, i: number): ChatMessage {
  const path = `message ${i}`;
  if (!(item instanceof Map)) throw fault(file, path, "an object", item);
  const role = item.get("role");
  if (typeof role !== "string" || !Object.hasOwn(FIELDS, role))
    throw fault(file, `${path}: role`, Object.keys(FIELDS).join(", "), role);
  const kind = role as ChatRole;
  const at = (field: string): Place => ({ file, path: `${path} (${kind}): ${field}` });
  onlyFields(item, [...EVERYWHERE, ...FIELDS[kind]], { file, path: `${path} (${kind})` });
  const field = <T>(name: string, read: (value: JsonValue, place: Place) => T): T | undefined => {
    const value = item.get(name);
    return value === undefined || isNull(value) ? undefined : read(value, at(name));
  };
  const content = contentOf(item.get("content"), kind, at("content"));
  const reasoning = field("reasoning_content", textOf);
  const toolCalls = field("tool_calls", callsOf);
  const toolCallId = field("tool_call_id", textOf);
  const tools = field("tools", toolsOf);
  const format = field("response_format", (value) => value);
  const task = field("task", taskOf);
  return {
    role: kind,
    content,
    ...(reasoning !== undefined && { reasoning }),
    ...(toolCalls?.length && { toolCalls }),
    ...(toolCallId !== undefined && { toolCallId }),
    ...(tools?.length && { tools }),
    ...(format !== undefined && !isEmpty(format) && { responseFormat: writePythonJson(format) }),
    ...(task && { task }),
    ...(field("wo_eos", booleanOf) && { withoutEos: true }),
  };
}

function contentOf(value: JsonValue | undefined, role: ChatRole, place: Place): string {
  if (role === "assistant" && (value === undefined || isNull(value))) return "";
  if (role === "tool" && Array.isArray(value)) return value.map((part) => partOf(part, place)).join("\n\n");
  const text = textOf(value, place);
  if (role === "developer" && text === "") throw fault(place.file, place.path, "some text", text);
  return text;
}

/** Of the parts of a tool's result the encoding has texts alone. */
function partOf(part: JsonValue, { file, path }: Place): string {
  const type = part instanceof Map ? part.get("type") : undefined;
  if (typeof type !== "string") throw fault(file, path, 'parts with a "type"', part);
  if (type !== "text") return `[Unsupported ${type}]`;
  return textOf((part as Fields).get("text"), { file, path: `${path}: text` });
}

function callsOf(value: JsonValue, place: Place): readonly ToolCall[] {
  return items(value, place).map(([item, at]) => {
    const { id, name, from } = functionOf(item, at);
    const given = from.get("arguments");
    if (given === undefined) throw fault(at.file, `${at.path}: arguments`, "a string or an object", given);
    return {
      ...(id !== undefined && { id }),
      name,
      arguments: typeof given === "string" ? given : writePythonJson(given),
    };
  });
}

const toolsOf = (value: JsonValue | undefined, place: Place): readonly ToolDefinition[] =>
  value === undefined || isNull(value)
    ? []
    : items(value, place).map(([item, at]) => {
        const { name, from } = functionOf(item, at);
        return { name, json: writePythonJson(from) };
      });

/** The function of a call or tool: under `function`, or the object itself. */
function functionOf(item: JsonValue, { file, path }: Place) {
  if (!(item instanceof Map)) throw fault(file, path, "an object", item);
  const inner = item.get("function") ?? item;
  if (!(inner instanceof Map)) throw fault(file, `${path}: function`, "an object", inner);
  const id = item.get("id");
  return {
    name: textOf(inner.get("name"), { file, path: `${path}: name` }),
    id: id === undefined || isNull(id) ? undefined : textOf(id, { file, path: `${path}: id` }),
    from: inner as Fields,
  };
}

function items(value: JsonValue, { file, path }: Place): [JsonValue, Place][] {
  if (!Array.isArray(value)) throw fault(file, path, "an array", value);
  return value.map((item: JsonValue, i) => [item, { file, path: `${path} ${i}` }]);
}

function textOf(value: JsonValue | undefined, { file, path }: Place): string {
  if (typeof value !== "string") throw fault(file, path, "a string", value);
  return value;
}

function taskOf(value: JsonValue, { file, path }: Place): ChatTask {
  if (typeof value !== "string" || !Object.hasOwn(TASK_TOKENS, value))
    throw fault(file, path, Object.keys(TASK_TOKENS).join(", "), value);
  return value as ChatTask;
}

function booleanOf(value: JsonValue, { file, path }: Place): boolean {
  const text = literalOf(value);
  if (text !== "true" && text !== "false") throw fault(file, path, "true or false", value);
  return text === "true";
}

function onlyFields(fields: Fields, known: readonly string[], { file, path }: Place): void {
  for (const name of fields.keys())
    if (!known.includes(name))
      throw dataError({
        what: `${path && `${path}: `}unknown field "${name}"`,
        file,
        expected: known.join(", "),
      });
}

const literalOf = (value: JsonValue): string | undefined =>
  typeof value === "object" && "literal" in value ? value.literal : undefined;

const isNull = (value: JsonValue): boolean => literalOf(value) === "null";

/** What Python calls false: the encoding leaves such a format out. */
const isEmpty = (value: JsonValue): boolean =>
  value === "" ||
  (value instanceof Map && value.size === 0) ||
  (Array.isArray(value) && value.length === 0) ||
  ["0", "0.0", "-0.0", "false"].includes(literalOf(value) ?? "");

function fault(file: string, path: string, expected: string, found: JsonValue | undefined): V4Error {
  const text = found === undefined ? "nothing" : writePythonJson(found);
  return dataError({
    what: path || "not a file of messages",
    file,
    expected,
    found: text.length > 80 ? `${text.slice(0, 79)}…` : text,
  });
}
