import { TAGS } from "./chat-layout.ts";
import type { ReplyDefect, ToolCall } from "./chat-types.ts";
import { readPythonJson, writePythonJson } from "./python-json.ts";

// Tags as models write them: with or without the first bar, after any spaces.
const INVOKE = /(?<space>\s*)<(?<bar>｜?)DSML｜invoke/y;
const CLOSE_INVOKE = /(?<space>\s*)<\/(?<bar>｜?)DSML｜invoke>/y;
const CLOSE_CALLS = /(?<space>\s*)<\/(?<bar>｜?)DSML｜tool_calls>/y;
const PARAMETER = /(?<space>\s*)<(?<bar>｜?)DSML｜parameter/y;
const CLOSE_PARAMETER = /<\/(?<bar>｜?)DSML｜parameter>/g;
const AFTER_NAME = /<｜?DSML｜parameter|<\/｜?DSML｜invoke>/g;
const NEXT_INVOKE = /<｜?DSML｜invoke|<\/｜?DSML｜tool_calls>/g;

const NAME = /^\s*name="(.*)"\s*>\s*$/s;
const VALUE = /^ name="(.*?)" string="(true|false)">(.*)$/s;
/** A parameter whose kind is missing or said in another way. */
const LOOSE_VALUE = /^\s*name="(.*?)"([^>]{0,200})>(.*)$/s;

/** Calls behind the opening tag of their block; `defects` gets what is wrong with them. */
export function parseCalls(text: string, defects: Set<ReplyDefect>): ToolCall[] {
  const calls: ToolCall[] = [];
  let at = 0;
  /** Goes past a tag that comes next (sticky patterns) or somewhere (global ones). */
  const take = (pattern: RegExp, space?: string): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) return null;
    if (match.groups?.bar === "") defects.add("a tag without its first bar");
    if (space !== undefined && match.groups?.space !== space) defects.add("malformed tool calls");
    at = match.index + match[0].length;
    return match;
  };

  /** JSON texts by name, or undefined where the last one has no end. */
  function parameters(): Map<string, string> | undefined {
    const found = new Map<string, string>();
    for (let space = ""; take(PARAMETER, space); space = "\n") {
      const start = at;
      const end = take(CLOSE_PARAMETER);
      if (!end) return undefined;
      const parameter = parseParameter(text.slice(start, end.index), defects);
      if (!parameter) continue;
      if (found.has(parameter[0])) defects.add("a parameter given twice");
      found.set(...parameter);
    }
    return found;
  }

  /** False where the text ends before the call does. */
  function call(): boolean {
    AFTER_NAME.lastIndex = at;
    const headEnd = AFTER_NAME.exec(text)?.index;
    if (headEnd === undefined) return false;
    const name = NAME.exec(text.slice(at, headEnd))?.[1];
    at = headEnd;
    const given = parameters();
    if (!given) return false;
    if (name !== undefined && take(CLOSE_INVOKE, at === headEnd ? "" : "\n")) {
      const json = Array.from(given, ([key, value]) => `${writePythonJson(key)}: ${value}`);
      calls.push({ name, arguments: `{${json.join(", ")}}` });
      return true;
    }
    NEXT_INVOKE.lastIndex = at;
    const next = NEXT_INVOKE.exec(text);
    if (!next) return false;
    defects.add("malformed tool calls");
    at = next.index;
    return true;
  }

  while (!take(CLOSE_CALLS, "\n")) {
    if (take(INVOKE, "\n")) {
      if (call()) continue;
    } else if (!isCutTag(text.slice(at).trimStart())) defects.add("malformed tool calls");
    defects.add("unfinished tool calls");
    return calls;
  }
  if (at < text.length) defects.add("text after the tool calls");
  return calls;
}

const isCutTag = (text: string): boolean => TAGS.calls[1].startsWith(text) || TAGS.invoke[0].startsWith(text);

/** Name and JSON text of a parameter. */
function parseParameter(text: string, defects: Set<ReplyDefect>): [string, string] | undefined {
  const exact = VALUE.exec(text);
  const match = exact ?? LOOSE_VALUE.exec(text);
  if (!exact) defects.add("malformed tool calls");
  if (!match) return undefined;
  const [, name, kind, value] = match;
  if (exact && kind === "true") return [name, writePythonJson(value)];
  if (readPythonJson(value) !== undefined) return [name, value];
  if (exact) defects.add("a parameter that is not JSON");
  return [name, writePythonJson(value)];
}
