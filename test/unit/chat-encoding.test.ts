import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { type ChatOptions, encodeChat, renderChat } from "../../tools/tokenizer/chat-encoding.ts";
import { parseChatFile } from "../../tools/tokenizer/chat-file.ts";
import type { ChatMessage, ChatProfile, ThinkingMode } from "../../tools/tokenizer/chat-types.ts";
import { readPythonJson, writePythonJson } from "../../tools/tokenizer/python-json.ts";
import { ROOT } from "../support/cli.ts";
import { tokenizerOf } from "../support/tokenizers.ts";

const BOS = "<｜begin▁of▁sentence｜>";
const EOS = "<｜end▁of▁sentence｜>";
const USER = "<｜User｜>";
const ASSISTANT = "<｜Assistant｜>";
const S: ChatMessage = { role: "system", content: "Be brief." };
const U: ChatMessage = { role: "user", content: "1+1=?" };
const U2: ChatMessage = { role: "user", content: "2+2=?" };
const A: ChatMessage = { role: "assistant", content: "2", reasoning: "add" };

const render = (
  messages: readonly ChatMessage[],
  mode: ThinkingMode = "nonthink",
  options: Partial<ChatOptions> = {},
): string => renderChat(messages, { profile: "v4-preview", mode, ...options });

describe("worked examples of the encoding (evals spec 4.5)", () => {
  const asked = `${USER}1+1=?${ASSISTANT}`;
  const again = `${USER}2+2=?${ASSISTANT}`;
  const call = `<｜DSML｜tool_calls>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="x" string="false">true</｜DSML｜parameter>\n<｜DSML｜parameter name="s" string="false">null</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>`;
  const unfinished: ChatMessage = { role: "assistant", content: "The ans", withoutEos: true };
  const keep = { keepReasoning: true };

  test.each<[number, readonly ChatMessage[], ThinkingMode, Partial<ChatOptions>, string]>([
    [1, [S, U], "nonthink", {}, `${BOS}Be brief.${asked}</think>`],
    [2, [U], "nonthink", {}, `${BOS}${asked}</think>`],
    [3, [S, U], "high", {}, `${BOS}Be brief.${asked}<think>`],
    [7, [S, U, A, U2], "nonthink", {}, `${BOS}Be brief.${asked}</think>2${EOS}${again}</think>`],
    [8, [S, U, A, U2], "high", {}, `${BOS}Be brief.${asked}</think>2${EOS}${again}<think>`],
    [9, [S, U, A, U2], "high", keep, `${BOS}Be brief.${asked}<think>add</think>2${EOS}${again}<think>`],
    [10, [U, U2], "nonthink", {}, `${BOS}${USER}1+1=?\n\n2+2=?${ASSISTANT}</think>`],
    [11, [U, unfinished], "nonthink", {}, `${BOS}${asked}</think>The ans`],
    [12, [U, { ...unfinished, reasoning: "r" }], "high", {}, `${BOS}${asked}<think>r</think>The ans`],
    [
      13,
      [S, { role: "latest_reminder", content: "2026-01-01" }, U],
      "nonthink",
      {},
      `${BOS}Be brief.<｜latest_reminder｜>2026-01-01${asked}</think>`,
    ],
    [14, [S], "nonthink", {}, `${BOS}Be brief.`],
    [15, [{ ...U, task: "action" }], "nonthink", {}, `${BOS}${asked}</think><｜action｜>`],
    [15, [{ ...U, task: "action" }], "high", {}, `${BOS}${asked}<think><｜action｜>`],
    [16, [U, A, A], "high", {}, `${BOS}${asked}<think>add</think>2${EOS}add</think>2${EOS}`],
    [
      17,
      [{ role: "system", content: "", responseFormat: '{"type":"object"}' }, U],
      "nonthink",
      {},
      `${BOS}\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n{"type": "object"}${asked}</think>`,
    ],
    [
      18,
      [
        U,
        {
          role: "assistant",
          content: "",
          reasoning: "rr",
          toolCalls: [{ name: "f", arguments: '{"x":true,"s":null}' }],
        },
        { role: "tool", content: "R" },
      ],
      "high",
      {},
      `${BOS}${asked}</think>\n\n${call}${EOS}${USER}<tool_result>R</tool_result>${ASSISTANT}<think>`,
    ],
  ])("%i", (_, messages, mode, options, expected) => expect(render(messages, mode, options)).toBe(expected));

  test("4, 5 and 6: the prefix of effort max comes first, in thinking modes alone", () => {
    const text = render([S, U], "max");
    expect(text.startsWith(`${BOS}Reasoning Effort: Absolute maximum`)).toBe(true);
    const rest = `Be brief.${asked}<think>`;
    const prefix = text.slice(BOS.length, -rest.length);
    expect(text).toBe(`${BOS}${prefix}${rest}`);
    expect(render([U], "max")).toBe(`${BOS}${prefix}${asked}<think>`);
    expect(createHash("sha256").update(prefix).digest("hex")).toBe(EFFORT_THOROUGH);
  });

  test("19: tools declared; results in the order of the calls, reasoning and 2.0 kept", () => {
    const json =
      '{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"type":"integer"},"s":{"type":"string"}},"required":["x"]}}';
    const answer: ChatMessage = {
      role: "assistant",
      content: "Calling.",
      reasoning: "need f",
      toolCalls: [
        { id: "a", name: "f", arguments: '{"x":1,"s":"hi"}' },
        { id: "b", name: "f", arguments: '{"x":[1,2.0],"s":"<&>"}' },
      ],
    };
    const result = (toolCallId: string, content: string): ChatMessage => ({
      role: "tool",
      content,
      toolCallId,
    });
    const messages = [S, U, answer, result("b", "RB"), result("a", "RA"), U2];
    const text = render(messages, "high", { tools: [{ name: "f", json }] });
    expect(text.startsWith(`${BOS}Be brief.\n\n## Tools\n\nYou have access to a set of tools`)).toBe(true);
    const schema =
      '\n\n{"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}, "s": {"type": "string"}}, "required": ["x"]}}\n\n';
    expect(text).toContain(`### Available Tool Schemas${schema}You MUST strictly follow`);
    expect(text.slice(text.indexOf(USER))).toBe(
      `${asked}<think>need f</think>Calling.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="x" string="false">1</｜DSML｜parameter>\n<｜DSML｜parameter name="s" string="true">hi</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name="f">\n<｜DSML｜parameter name="x" string="false">[1, 2.0]</｜DSML｜parameter>\n<｜DSML｜parameter name="s" string="true"><&></｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>${EOS}${USER}<tool_result>RA</tool_result>\n\n<tool_result>RB</tool_result>\n\n2+2=?${ASSISTANT}<think>`,
    );
    // The same block where the conversation has no system message of its own.
    const headless = render([U], "high", { tools: [{ name: "f", json }] });
    expect(headless).toBe(`${text.slice(0, text.indexOf(USER)).replace("Be brief.", "")}${asked}<think>`);
  });
});

// Digests of the two prefixes as the releases have them.
const EFFORT_THOROUGH = "f7a24f3b3050d4a83781e9b755b316aae2ec1d9dc87562541d90bcb04d7350f7";
const EFFORT_EXHAUSTIVE = "53fb31b8392ec5b4a926481943efc67636748f137c1a49d493a7af4d4fa55d2c";

describe("profiles", () => {
  test.each<[ChatProfile, ThinkingMode, string | undefined]>([
    ["v4-preview", "nonthink", undefined],
    ["v4-preview", "high", undefined],
    ["v4-preview", "max", EFFORT_THOROUGH],
    ["v4-0731", "nonthink", undefined],
    ["v4-0731", "low", undefined],
    ["v4-0731", "high", EFFORT_THOROUGH],
    ["v4-0731", "max", EFFORT_EXHAUSTIVE],
  ])("%s %s", (profile, mode, sha256) => {
    const text = renderChat([U], { profile, mode });
    const prefix = text.slice(BOS.length, text.indexOf(USER));
    expect(sha256 ? createHash("sha256").update(prefix).digest("hex") : prefix).toBe(sha256 ?? "");
    expect(text.endsWith(mode === "nonthink" ? "</think>" : "<think>")).toBe(true);
  });

  test.each([
    ["v41", "high", /unknown chat profile .*found v41.*V4\.1 has other tags/],
    ["v3", "high", /unknown chat profile .*expected v4-preview or v4-0731, found v3/],
    ["v4-preview", "low", /unknown mode of the profile v4-preview .*expected nonthink, high, max, found low/],
    ["constructor", "high", /unknown chat profile/],
  ])("%s with %s is refused", (profile, mode, message) =>
    expect(() => renderChat([U], { profile: profile as ChatProfile, mode: mode as ThinkingMode })).toThrow(
      message,
    ),
  );
});

describe("random conversations, rendered by the official encoder", () => {
  interface Vector {
    readonly mode: ThinkingMode;
    readonly messages: unknown;
    readonly context?: unknown;
    readonly keepReasoning?: boolean;
    readonly withoutBos?: boolean;
    readonly sha256: string;
  }
  const file = "test/vectors/chat/conversations.json";
  // Members one by one as text: a parsed 2.0 would be 2.
  const vectors = readFileSync(join(ROOT, file), "utf8")
    .split(/,?\n/)
    .slice(1, -2)
    .map((line) => ({ line, vector: JSON.parse(line) as Vector }));
  const member = (line: string, name: string): ChatFileMessages => {
    const value = readPythonJson(line);
    const messages = value instanceof Map ? value.get(name) : undefined;
    if (messages === undefined) return [];
    return parseChatFile(new TextEncoder().encode(writePythonJson(messages)), file).messages;
  };
  type ChatFileMessages = readonly ChatMessage[];

  test("same bytes", () => {
    expect(vectors.length).toBe(120);
    for (const { line, vector } of vectors) {
      const { mode, keepReasoning = false, withoutBos = false } = vector;
      const context = member(line, "context");
      const text = render(member(line, "messages"), mode, { context, keepReasoning, withoutBos });
      expect(createHash("sha256").update(text).digest("hex"), text).toBe(vector.sha256);
    }
  });
});

describe("ids", async () => {
  const demo = await tokenizerOf(DEMO_CHECKPOINT);
  const ids = (messages: readonly ChatMessage[], options: Partial<ChatOptions> = {}): number[] =>
    encodeChat(demo, messages, { profile: "v4-preview", mode: "high", ...options });

  test("the ids of the whole string, where no message spells a control token", () => {
    const tools = [{ name: "f", json: '{"name": "f"}' }];
    const toolCalls = [{ name: "f", arguments: '{"x": "< ｜User｜ >", "y": 1}' }];
    const conversations: (readonly ChatMessage[])[] = [
      [S, U],
      [S, U, { ...A, toolCalls }, { role: "tool", content: "<|User|>\n" }, U2],
      [{ role: "user", content: " \n<" }, { role: "assistant", content: "｜ >\n\n", task: "title" }, A],
      [
        { role: "latest_reminder", content: "\ud83d" },
        { role: "user", content: "\ude00 \ud83d\ude00" },
      ],
    ];
    for (const messages of conversations)
      for (const mode of ["nonthink", "high", "max"] as const)
        for (const options of [{ mode }, { mode, tools }])
          expect(ids(messages, options)).toEqual(demo.encode(render(messages, mode, options)));
  });

  test("a tokenizer without a token that the prompt needs is refused", () =>
    expect(() => demo.controlId("<｜extracted_url｜>")).toThrow(
      /tokenizer\.json: the tokenizer has no token "<｜extracted_url｜>"/,
    ));
});

describe("what cannot be rendered is one line", () => {
  test.each<[string, readonly ChatMessage[], RegExp]>([
    [
      "a developer without content",
      [{ role: "developer", content: "" }],
      /developer message without content/,
    ],
    [
      "arguments that are JSON and no object",
      [{ ...A, toolCalls: [{ name: "f", arguments: "[1]" }] }],
      /arguments of a call of "f" .*expected a JSON object, found \[1\]/,
    ],
    [
      "a tool that is no JSON",
      [{ ...S, tools: [{ name: "f", json: "{" }] }],
      /definition of the tool "f" is not valid JSON/,
    ],
  ])("%s", (_, messages, message) => expect(() => render(messages)).toThrow(message));

  test("tools given twice", () => {
    const tools = [{ name: "f", json: "{}" }];
    expect(() => render([{ ...S, tools }], "high", { tools })).toThrow(/tools are given twice/);
  });
});

describe("JSON as Python prints it", () => {
  test.each([
    ["2.0", "2.0"],
    ["-0", "0"],
    ["-0.0", "-0.0"],
    ["1e5", "100000.0"],
    ["1e16", "1e+16"],
    ["123456789012345680.0", "1.2345678901234568e+17"],
    ["0.0001", "0.0001"],
    ["0.00001", "1e-05"],
    ["1.5E-7", "1.5e-07"],
    ["5e-324", "5e-324"],
    ["1e400", "Infinity"],
    ["123456789012345678901234567890", "123456789012345678901234567890"],
    ['{"b":1,"1":2,"b":3}', '{"b": 3, "1": 2}'],
    ['"\\u00e9\\u0007\\/\\ud83d\\ude00\\u007f"', '"é\\u0007/😀\u007f"'],
    [" [ ] ", "[]"],
  ])("%s", (text, expected) => {
    const value = readPythonJson(text);
    expect(value !== undefined && writePythonJson(value)).toBe(expected);
  });

  test.each([
    "",
    "01",
    "1.",
    "[1,]",
    '{"a":1,}',
    '{"a"}',
    "'a'",
    '"a\nb"',
    '"a',
    "[",
    "{",
    '{"a":',
    "1 2",
    "\ufeff1",
    "nul",
  ])("%j is none", (text) => expect(readPythonJson(text)).toBeUndefined());

  test("what Python gives up on: integers of more than 4,300 digits, and deep nesting", () => {
    expect(readPythonJson("9".repeat(4300))).toBeDefined();
    expect(readPythonJson("9".repeat(4301))).toBeUndefined();
    const nested = (depth: number) => readPythonJson("[".repeat(depth) + "]".repeat(depth));
    expect(nested(500)).toBeDefined();
    expect(nested(100_000)).toBeUndefined();
  });
});
