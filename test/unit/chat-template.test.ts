import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { expect, test } from "vitest";
import { renderChat } from "../../tools/tokenizer/chat-encoding.ts";
import { parseChatFile } from "../../tools/tokenizer/chat-file.ts";
import { TOKENS } from "../../tools/tokenizer/chat-layout.ts";
import type { ThinkingMode } from "../../tools/tokenizer/chat-types.ts";
import { ROOT } from "../support/cli.ts";

// The template that GGUFs carry, for engines that render prompts themselves, against the encoder, which renders ours.
const template = new Template(readFileSync(join(ROOT, "configs/chat/v4-preview.jinja"), "utf8"));

type Message = Record<string, unknown>;

function expectSame(messages: readonly Message[], mode: ThinkingMode, tools?: readonly object[]): string {
  const text = template.render({
    messages,
    bos_token: TOKENS.bos,
    eos_token: TOKENS.eos,
    add_generation_prompt: true,
    ...(mode !== "nonthink" && { enable_thinking: true }),
    ...(mode === "max" && { reasoning_effort: "max" }),
    ...(tools && { tools }),
  });
  const file = parseChatFile(
    new TextEncoder().encode(JSON.stringify({ messages, tools: tools ?? [] })),
    "messages",
  );
  expect(text).toBe(renderChat(file.messages, { profile: "v4-preview", mode, tools: file.tools }));
  return text;
}

const S = { role: "system", content: "Be brief." };
const U = { role: "user", content: "1+1=?" };
const U2 = { role: "user", content: "2+2=?" };
const A = { role: "assistant", content: "2", reasoning_content: "add" };
const R = { role: "tool", content: "R" };
const call = (name: string, args: unknown): Message => ({ function: { name, arguments: args } });
const calling = (...calls: Message[]): Message => ({
  role: "assistant",
  content: "Calling.",
  reasoning_content: "need f",
  tool_calls: calls,
});
const tool = (name: string): Message => ({
  type: "function",
  function: {
    name,
    description: "d <&>",
    parameters: { type: "object", properties: { x: { type: "integer" } }, required: ["x"] },
  },
});

const conversations: Readonly<Record<string, readonly Message[]>> = {
  "a question": [U],
  "a system message": [S, U],
  "a system message alone": [S],
  "history with reasoning": [S, U, A, U2],
  "several answers": [U, A, A, U2, A],
  "user messages in a row": [U, U2],
  "a reminder": [S, { role: "latest_reminder", content: "2026-01-01" }, U],
  "a call and its result": [U, calling(call("f", { x: true, s: null, t: "é\n", l: [1, { a: "<" }] })), R],
  "calls, results and a text": [S, U, calling(call("f", { x: 1 }), call("g", { s: "hi" })), R, R, U2],
  "arguments that are text": [U, calling(call("f", "not JSON")), R, A, U2],
};

for (const mode of ["nonthink", "high", "max"] as const)
  test.each(Object.entries(conversations))(`${mode}: %s`, (_, messages) => {
    expectSame(messages, mode);
    expectSame(messages, mode, [tool("f"), tool("g")]);
  });

test("the sameness is one of something: reasoning and effort, tools and results are there", () => {
  const text = expectSame(conversations["calls, results and a text"], "max", [tool("f")]);
  for (const part of [
    "Reasoning Effort",
    '{"name": "f"',
    "<think>need f</think>",
    "<tool_result>R</tool_result>",
  ])
    expect(text).toContain(part);
});
