import { TASK_TOKENS, TOKENS } from "./chat-layout.ts";
import type { ParsedReply, ReplyDefect, ThinkingMode, ToolCall } from "./chat-types.ts";
import { parseCalls } from "./dsml-parser.ts";

const CALLS = /(\n\n)?<(｜?)DSML｜tool_calls>/;
const { think, endThink, eos } = TOKENS;
const CONTROL = [...Object.values(TOKENS), ...Object.values(TASK_TOKENS)].filter(
  (token) => token !== think && token !== endThink,
);

/**
 * The parts of a model's output, which begins behind the prompt. Never refuses: what is wrong is listed and the rest kept.
 * Well-formed output gives what the official parser gives. An output without the end of its reasoning is reasoning alone; a
 * call that is not closed is left out, as is text behind the calls; a parameter that is not JSON becomes a string.
 */
export function parseReply(text: string, { mode }: { readonly mode: ThinkingMode }): ParsedReply {
  const defects = new Set<ReplyDefect>();
  const end = text.indexOf(eos);
  if (end < 0) defects.add("no end of sentence");
  else if (end + eos.length < text.length) defects.add("text after the end of sentence");
  const whole = end < 0 ? text : text.slice(0, end);
  const { reasoning, answer } = splitReasoning(whole, mode, defects);
  const start = CALLS.exec(answer);
  const content = start ? answer.slice(0, start.index) : answer;
  if (start && start[1] === undefined) defects.add("tool calls without their empty line");
  if (start && start[2] === "") defects.add("a tag without its first bar");
  const toolCalls: readonly ToolCall[] = start
    ? parseCalls(answer.slice(start.index + start[0].length), defects)
    : [];
  const words = `${reasoning ?? ""}\0${content}`;
  if (words.includes(think) || words.includes(endThink)) defects.add("a reasoning tag inside the text");
  if (CONTROL.some((token) => words.includes(token))) defects.add("a special token inside the text");
  return { ...(reasoning !== undefined && { reasoning }), content, toolCalls, defects: [...defects] };
}

/** The reasoning and what follows it. The tag that opens it belongs to the prompt, but models repeat it. */
function splitReasoning(
  text: string,
  mode: ThinkingMode,
  defects: Set<ReplyDefect>,
): { readonly reasoning?: string; readonly answer: string } {
  let rest = text;
  const skip = (tag: string): boolean => {
    const found = rest.startsWith(tag);
    while (rest.startsWith(tag)) rest = rest.slice(tag.length);
    return found;
  };
  const opened = skip(think);
  if (mode === "nonthink" && !opened) {
    if (skip(endThink)) defects.add("a doubled reasoning tag");
    return { answer: rest };
  }
  if (opened) defects.add(mode === "nonthink" ? "reasoning in mode nonthink" : "a doubled reasoning tag");
  const close = rest.indexOf(endThink);
  const calls = CALLS.exec(close < 0 ? rest : rest.slice(0, close));
  if (calls) defects.add("tool calls inside the reasoning");
  if (close < 0) {
    defects.add("no end of reasoning");
    // Calls are an answer, even where the tag before them was forgotten.
    const index = calls?.index ?? rest.length;
    return { reasoning: rest.slice(0, index), answer: rest.slice(index) };
  }
  const reasoning = rest.slice(0, close);
  rest = rest.slice(close + endThink.length);
  if (skip(endThink)) defects.add("a doubled reasoning tag");
  return { reasoning, answer: rest };
}
