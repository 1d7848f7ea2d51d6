import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderChat } from "../../tools/tokenizer/chat-encoding.ts";
import { parseReply } from "../../tools/tokenizer/chat-parser.ts";
import type { ChatMessage, ReplyDefect, ThinkingMode, ToolCall } from "../../tools/tokenizer/chat-types.ts";
import { readPythonJson, writePythonJson } from "../../tools/tokenizer/python-json.ts";
import { ROOT } from "../support/cli.ts";
import { FULL } from "../support/scratch.ts";

const EOS = "<｜end▁of▁sentence｜>";
const U: ChatMessage = { role: "user", content: "u" };

/** What a model writes behind the prompt where its answer is `message`. */
function replyOf(message: Omit<ChatMessage, "role">, mode: ThinkingMode): string {
  const render = (messages: readonly ChatMessage[]): string =>
    renderChat(messages, { profile: "v4-preview", mode });
  return render([U, { ...message, role: "assistant" }]).slice(render([U]).length);
}

describe("replies that the official parser has read or refused", () => {
  interface Vector {
    readonly mode: ThinkingMode;
    readonly text: string;
    readonly parsed: readonly [string, string, readonly (readonly [string, string])[]] | null;
  }
  const vectors = JSON.parse(readFileSync(join(ROOT, "test/vectors/chat/replies.json"), "utf8")) as Vector[];

  test("what it reads we read, without a defect; what it refuses has one", () => {
    expect(vectors.length).toBe(240);
    expect(vectors.filter(({ parsed }) => parsed === null).length).toBeGreaterThan(50);
    for (const { mode, text, parsed } of vectors) {
      const { reasoning = "", content, toolCalls, defects } = parseReply(text, { mode });
      if (parsed === null) {
        expect(defects, text).not.toEqual([]);
        continue;
      }
      const official = parsed[2];
      // It puts a value that is no JSON into the arguments as it is.
      if (official.some(([, given]) => readPythonJson(given) === undefined)) {
        expect(defects, text).toEqual(["a parameter that is not JSON"]);
        expect(toolCalls.map(({ name }) => name)).toEqual(official.map(([name]) => name));
        continue;
      }
      const calls = toolCalls.map((call) => [call.name, call.arguments]);
      expect([reasoning, content, calls, defects], text).toEqual([...parsed, []]);
    }
  });
});

/**
 * Messages that come back from their own rendering: the parser finds the first of each tag, so no text may hold the tag that
 * ends it, in either spelling of DSML.
 */
function survives(
  { reasoning = "", content, toolCalls = [] }: Omit<ChatMessage, "role">,
  mode: ThinkingMode,
) {
  const thinking = mode !== "nonthink";
  const parameters = toolCalls.flatMap((call) => {
    const value = readPythonJson(call.arguments) as ReadonlyMap<string, never>;
    return Array.from(value, ([key, item]) => [key, typeof item === "string" ? item : writePythonJson(item)]);
  });
  const texts = [
    thinking ? reasoning : "",
    content,
    ...toolCalls.map(({ name }) => name),
    ...parameters.flat(),
  ];
  return (
    !texts.some((text) => text.includes(EOS)) &&
    !(thinking && (reasoning.includes("</think>") || reasoning.startsWith("<think>"))) &&
    !content.startsWith("</think>") &&
    !(!thinking && content.startsWith("<think>")) &&
    !/<｜?DSML｜tool_calls>/.test(content) &&
    !toolCalls.some(({ name }) => /<｜?DSML｜parameter|<\/｜?DSML｜invoke>/.test(name)) &&
    !parameters.some(
      ([key, value]) =>
        /" string="(true|false)">|<\/｜?DSML｜parameter>/.test(key) || /<\/｜?DSML｜parameter>/.test(value),
    )
  );
}

const SCRAPS = [
  ...[
    "<think>",
    "</think>",
    EOS,
    "<｜begin▁of▁sentence｜>",
    "<｜User｜>",
    "<｜action｜>",
    "｜DSML｜",
    "<｜DSML｜tool_calls>",
    "<DSML｜tool_calls>",
  ],
  ...[
    "</｜DSML｜tool_calls>",
    '<｜DSML｜invoke name="f">\n',
    "</｜DSML｜invoke>",
    '<｜DSML｜parameter name="x" string="true">',
  ],
  ...[
    "</｜DSML｜parameter>",
    "</DSML｜parameter>",
    '" string="true">',
    '">\n',
    '"',
    ">",
    "<",
    "</",
    "\n",
    "\n\n",
    " ",
    "\\",
    "tool_calls",
    "{",
    "é😀",
  ],
];
const text = fc.oneof(
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  fc.array(fc.constantFrom(...SCRAPS), { maxLength: 5 }).map((parts) => parts.join("")),
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text.map((word) => writePythonJson(word)),
    fc.constantFrom("null", "true", "-0.0", "1e+16", "123456789012345678901234567890", "2.0"),
    fc.integer().map(String),
    fc.array(tie("value"), { maxLength: 3 }).map((items) => `[${items.join(", ")}]`),
    tie("object"),
  ),
  object: fc
    .uniqueArray(fc.tuple(text, tie("value")), { maxLength: 3, selector: ([key]) => key })
    .map((pairs) => `{${pairs.map(([key, value]) => `${writePythonJson(key)}: ${value}`).join(", ")}}`),
}));
const call: fc.Arbitrary<ToolCall> = fc.record({
  name: text,
  arguments: json.object as fc.Arbitrary<string>,
});
const answer = fc.record({ reasoning: text, content: text, toolCalls: fc.array(call, { maxLength: 3 }) });
const mode = fc.constantFrom<ThinkingMode>("nonthink", "high");

describe("parse(render(x)) = x", () => {
  test("for every message without the tags that end its texts; without control tokens there is no defect", () => {
    let kept = 0;
    fc.assert(
      fc.property(answer, mode, (message, mode) => {
        if (!survives(message, mode)) return;
        kept++;
        const { defects, ...parsed } = parseReply(replyOf(message, mode), { mode });
        const { reasoning, ...rest } = message;
        expect(parsed).toEqual(mode === "nonthink" ? rest : { ...rest, reasoning });
        const words = mode === "nonthink" ? message.content : `${reasoning}${message.content}`;
        if (!/｜|<\/?think>/.test(words)) expect(defects).toEqual([]);
      }),
      { numRuns: FULL ? 30_000 : 3_000 },
    );
    expect(kept).toBeGreaterThan(1_000);
  });

  test("arguments come back in Python's spelling, those that are no JSON as a parameter of that name", () => {
    const parsed = (text: string): string =>
      parseReply(replyOf({ content: "", toolCalls: [{ name: "f", arguments: text }] }, "high"), {
        mode: "high",
      }).toolCalls[0].arguments;
    expect(parsed('{"b":1e5,"1":[ ],"b":"é"}')).toBe('{"b": "é", "1": []}');
    expect(parsed("x = 1")).toBe('{"arguments": "x = 1"}');
  });

  test.each<[string, Omit<ChatMessage, "role">, ThinkingMode]>([
    ["EOS in the content", { content: `a${EOS}b` }, "nonthink"],
    ["EOS in a value", { content: "", toolCalls: [{ name: "f", arguments: `{"x": "${EOS}"}` }] }, "high"],
    ["</think> in the reasoning", { content: "", reasoning: "a</think>b" }, "high"],
    ["<think> at its start", { content: "", reasoning: "<think>b" }, "high"],
    ["</think> at the start of the content", { content: "</think>b" }, "nonthink"],
    ["<think> at the start of the content", { content: "<think>b" }, "nonthink"],
    ["the tag of tool calls in the content", { content: "a<｜DSML｜tool_calls>" }, "nonthink"],
    [
      "the end of a parameter in a value",
      { content: "", toolCalls: [{ name: "f", arguments: '{"x": "</｜DSML｜parameter>"}' }] },
      "high",
    ],
    [
      "the kind of a parameter in its name",
      { content: "", toolCalls: [{ name: "f", arguments: '{"x\\" string=\\"true\\">": 1}' }] },
      "high",
    ],
    [
      "the end of a call in its name",
      { content: "", toolCalls: [{ name: "</｜DSML｜invoke>", arguments: "{}" }] },
      "high",
    ],
  ])("not with %s: the tags have no escape", (_, message, mode) => {
    expect(survives(message, mode)).toBe(false);
    const { defects: _defects, ...parsed } = parseReply(replyOf(message, mode), { mode });
    expect(parsed).not.toEqual({
      ...(mode !== "nonthink" && { reasoning: message.reasoning ?? "" }),
      content: message.content,
      toolCalls: message.toolCalls ?? [],
    });
  });
});

describe("damaged replies", () => {
  const block = (inside: string): string => `<｜DSML｜tool_calls>\n${inside}\n</｜DSML｜tool_calls>`;
  const invoke = (inside: string): string => `<｜DSML｜invoke name="f">\n${inside}\n</｜DSML｜invoke>`;
  const parameter = (value: string, kind = "false"): string =>
    `<｜DSML｜parameter name="x" string="${kind}">${value}</｜DSML｜parameter>`;
  const call = invoke(parameter("1"));
  const f = { name: "f", arguments: '{"x": 1}' };

  test.each<[string, ThinkingMode, string, Omit<ChatMessage, "role">, readonly ReplyDefect[]]>([
    [
      "cut in the reasoning",
      "high",
      "so I",
      { reasoning: "so I", content: "" },
      ["no end of sentence", "no end of reasoning"],
    ],
    [
      "cut in the content",
      "high",
      "r</think>The an",
      { reasoning: "r", content: "The an" },
      ["no end of sentence"],
    ],
    ["empty", "nonthink", "", { content: "" }, ["no end of sentence"]],
    [
      "more behind the end",
      "nonthink",
      `a${EOS}b${EOS}`,
      { content: "a" },
      ["text after the end of sentence"],
    ],
    [
      "opened again",
      "high",
      `<think>r</think>a${EOS}`,
      { reasoning: "r", content: "a" },
      ["a doubled reasoning tag"],
    ],
    [
      "closed twice",
      "high",
      `r</think></think>a${EOS}`,
      { reasoning: "r", content: "a" },
      ["a doubled reasoning tag"],
    ],
    ["closed again, nonthink", "nonthink", `</think>a${EOS}`, { content: "a" }, ["a doubled reasoning tag"]],
    [
      "thought unasked",
      "nonthink",
      `<think>r</think>a${EOS}`,
      { reasoning: "r", content: "a" },
      ["reasoning in mode nonthink"],
    ],
    [
      "a tag amid the content",
      "nonthink",
      `a</think>b${EOS}`,
      { content: "a</think>b" },
      ["a reasoning tag inside the text"],
    ],
    [
      "a control token amid it",
      "nonthink",
      `a<｜User｜>b${EOS}`,
      { content: "a<｜User｜>b" },
      ["a special token inside the text"],
    ],
    [
      "calls thought about",
      "high",
      `r\n\n${block(call)}</think>a${EOS}`,
      { reasoning: `r\n\n${block(call)}`, content: "a" },
      ["tool calls inside the reasoning", "a special token inside the text"],
    ],
    [
      "calls and no end of reasoning",
      "high",
      `r\n\n${block(call)}${EOS}`,
      { reasoning: "r", content: "", toolCalls: [f] },
      ["tool calls inside the reasoning", "no end of reasoning"],
    ],
    [
      "no empty line",
      "nonthink",
      `a\n${block(call)}${EOS}`,
      { content: "a\n", toolCalls: [f] },
      ["tool calls without their empty line"],
    ],
    [
      "no first bar",
      "nonthink",
      `\n\n${block(call).replaceAll("<｜", "<").replaceAll("</｜", "</")}${EOS}`,
      { content: "", toolCalls: [f] },
      ["a tag without its first bar"],
    ],
    [
      "text behind the calls",
      "nonthink",
      `\n\n${block(call)}\nDone.${EOS}`,
      { content: "", toolCalls: [f] },
      ["text after the tool calls"],
    ],
    [
      "no JSON",
      "nonthink",
      `\n\n${block(invoke(parameter("one")))}${EOS}`,
      { content: "", toolCalls: [{ name: "f", arguments: '{"x": "one"}' }] },
      ["a parameter that is not JSON"],
    ],
    [
      "given twice",
      "nonthink",
      `\n\n${block(invoke(`${parameter("1")}\n${parameter("2", "true")}`))}${EOS}`,
      { content: "", toolCalls: [{ name: "f", arguments: '{"x": "2"}' }] },
      ["a parameter given twice"],
    ],
    [
      "kind missing",
      "nonthink",
      `\n\n${block(invoke('<｜DSML｜parameter name="x">hi</｜DSML｜parameter>'))}${EOS}`,
      { content: "", toolCalls: [{ name: "f", arguments: '{"x": "hi"}' }] },
      ["malformed tool calls"],
    ],
    [
      "tags on one line",
      "nonthink",
      `\n\n${block(call).replaceAll("\n", "")}${EOS}`,
      { content: "", toolCalls: [f] },
      ["malformed tool calls"],
    ],
    [
      "a call without its end",
      "nonthink",
      `\n\n${block(`<｜DSML｜invoke name="g">\n${parameter("2")}\n${call}`)}${EOS}`,
      { content: "", toolCalls: [f] },
      ["malformed tool calls"],
    ],
    [
      "prose amid the calls",
      "nonthink",
      `\n\n${block(`${call}\nand\n${call}`)}${EOS}`,
      { content: "", toolCalls: [f] },
      ["malformed tool calls", "unfinished tool calls"],
    ],
  ])("%s", (_, mode, text, message, defects) => {
    const expected = { toolCalls: [], ...message, defects };
    expect(parseReply(text, { mode })).toEqual(expected);
  });

  test("cut anywhere: finished calls stay, unfinished ones are left out, and the cut is all that is wrong", () => {
    const whole = `r</think>c\n\n${block(`${call}\n${call}`)}`;
    const first = whole.indexOf(call) + call.length;
    const second = first + 1 + call.length;
    for (let length = whole.indexOf("tool_calls>") + "tool_calls>".length; length < whole.length; length++) {
      const { content, toolCalls, defects } = parseReply(whole.slice(0, length), { mode: "high" });
      expect(content).toBe("c");
      expect(toolCalls).toEqual(length < first ? [] : length < second ? [f] : [f, f]);
      expect(defects).toEqual(["no end of sentence", "unfinished tool calls"]);
    }
  });

  test("never refuses, whatever the text", () => {
    const any = fc.array(fc.oneof(fc.constantFrom(...SCRAPS), text), { maxLength: 12 });
    fc.assert(
      fc.property(any, mode, (parts, mode) => {
        const { toolCalls } = parseReply(parts.join(""), { mode });
        for (const made of toolCalls) expect(readPythonJson(made.arguments)).toBeInstanceOf(Map);
      }),
      { numRuns: FULL ? 30_000 : 2_000 },
    );
  });

  test("hostile outputs take time in proportion to their length", () => {
    const long = 200_000;
    const openings = ["", "\n\n<｜DSML｜tool_calls>\n", '\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="'];
    for (const opening of openings)
      for (const scrap of [
        '"',
        "\n",
        "<",
        "</think>",
        "<think>",
        '<｜DSML｜invoke name="',
        '<｜DSML｜parameter name="',
        '">',
        " ",
      ])
        parseReply(opening + scrap.repeat(long / scrap.length), { mode: "high" });
    const value = '"'.repeat(long);
    parseReply(`\n\n${block(invoke(`<｜DSML｜parameter name="${value}</｜DSML｜parameter>`))}`, {
      mode: "nonthink",
    });
  });
});
