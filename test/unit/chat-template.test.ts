import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { expect, test } from "vitest";
import { chatTurn } from "../../tools/tokenizer/chat-turn.ts";
import { ROOT } from "../support/cli.ts";

const template = new Template(readFileSync(join(ROOT, "configs/chat/v4-preview.jinja"), "utf8"));

const BOS = "<｜begin▁of▁sentence｜>";
const EOS = "<｜end▁of▁sentence｜>";
const USER = "<｜User｜>";
const ASSISTANT = "<｜Assistant｜>";

type Message = Record<string, unknown>;
const render = (messages: Message[], options: Record<string, unknown> = {}): string =>
  template.render({ messages, bos_token: BOS, eos_token: EOS, add_generation_prompt: true, ...options });

const S = { role: "system", content: "Be brief." };
const U = { role: "user", content: "1+1=?" };
const U2 = { role: "user", content: "2+2=?" };
const A = { role: "assistant", content: "2", reasoning_content: "add" };
const thinking = { enable_thinking: true };

test.each([
  ["non-think", [S, U], {}, `${BOS}Be brief.${USER}1+1=?${ASSISTANT}</think>`],
  ["no system message", [U], {}, `${BOS}${USER}1+1=?${ASSISTANT}</think>`],
  ["thinking", [S, U], thinking, `${BOS}Be brief.${USER}1+1=?${ASSISTANT}<think>`],
  [
    "effort max in chat mode has no prefix",
    [S, U],
    { reasoning_effort: "max" },
    `${BOS}Be brief.${USER}1+1=?${ASSISTANT}</think>`,
  ],
  [
    "history in chat mode",
    [S, U, A, U2],
    {},
    `${BOS}Be brief.${USER}1+1=?${ASSISTANT}</think>2${EOS}${USER}2+2=?${ASSISTANT}</think>`,
  ],
  [
    "history in thinking mode: reasoning dropped",
    [S, U, A, U2],
    thinking,
    `${BOS}Be brief.${USER}1+1=?${ASSISTANT}</think>2${EOS}${USER}2+2=?${ASSISTANT}<think>`,
  ],
  ["user messages in a row are one turn", [U, U2], {}, `${BOS}${USER}1+1=?\n\n2+2=?${ASSISTANT}</think>`],
  [
    "reminder",
    [S, { role: "latest_reminder", content: "2026-01-01" }, U],
    {},
    `${BOS}Be brief.<｜latest_reminder｜>2026-01-01${USER}1+1=?${ASSISTANT}</think>`,
  ],
  ["system only", [S], {}, `${BOS}Be brief.`],
] as const)("%s", (_, messages, options, expected) => {
  expect(render([...messages], options)).toBe(expected);
});

test("effort max prefixes thinking prompts", () => {
  const text = render([S, U], { ...thinking, reasoning_effort: "max" });
  expect(text).toMatch(
    /^<｜begin▁of▁sentence｜>Reasoning Effort: Absolute maximum with no shortcuts permitted\.\n/,
  );
  expect(text).toContain(`assumption is left unchecked.\n\nBe brief.${USER}1+1=?${ASSISTANT}<think>`);
});

const call = (name: string, args: unknown) => ({ function: { name, arguments: args } });

test("a tool call and its result without declared tools", () => {
  const messages = [
    U,
    {
      role: "assistant",
      content: "",
      reasoning_content: "rr",
      tool_calls: [call("f", { x: true, s: null })],
    },
    { role: "tool", content: "R" },
  ];
  expect(render(messages, thinking)).toBe(
    `${BOS}${USER}1+1=?${ASSISTANT}</think>\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="x" string="false">true</｜DSML｜parameter>\n` +
      `<｜DSML｜parameter name="s" string="false">null</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>${EOS}${USER}<tool_result>R</tool_result>${ASSISTANT}<think>`,
  );
});

test("declared tools: schemas behind the system text, reasoning kept, results and text in one turn", () => {
  const tool = {
    type: "function",
    function: {
      name: "f",
      description: "d",
      parameters: { type: "object", properties: { x: { type: "integer" } }, required: ["x"] },
    },
  };
  const messages = [
    S,
    U,
    {
      role: "assistant",
      content: "Calling.",
      reasoning_content: "need f",
      tool_calls: [call("f", { x: 1, s: "hi" })],
    },
    { role: "tool", content: "RA" },
    U2,
  ];
  const text = render(messages, { ...thinking, tools: [tool] });
  expect(text.startsWith(`${BOS}Be brief.\n\n## Tools\n\nYou have access to a set of tools`)).toBe(true);
  expect(text).toContain(
    '### Available Tool Schemas\n\n{"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}\n\nYou MUST strictly follow',
  );
  expect(
    text.endsWith(
      `to invoke tool calls.\n${USER}1+1=?${ASSISTANT}<think>need f</think>Calling.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="x" string="false">1</｜DSML｜parameter>\n` +
        `<｜DSML｜parameter name="s" string="true">hi</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>${EOS}${USER}<tool_result>RA</tool_result>\n\n2+2=?${ASSISTANT}<think>`,
    ),
  ).toBe(true);
});

test("the turn of generate --chat is that of the template", () =>
  expect(chatTurn(U.content)).toBe(render([U])));
