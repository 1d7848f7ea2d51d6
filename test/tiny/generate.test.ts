import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import type { Continuation } from "../../tools/generate/continue-text.ts";
import { renderChat } from "../../tools/tokenizer/chat-encoding.ts";
import { type CliResult, cli, cliCommand } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch.ts";
import { copyCheckpoint } from "../support/shards.ts";
import { expectedOfTinyV4, singleNeedles } from "../support/tiny-v4.ts";

const folder = scratchFolder();
const PROMPT = "In the beginning God created the heaven and the";

const generate = (args: readonly string[], checkpoint = DEMO_CHECKPOINT, input?: string): CliResult =>
  cli(["generate", checkpoint, ...args], input === undefined ? {} : { input });

function continuation(args: readonly string[], checkpoint = DEMO_CHECKPOINT, input?: string): Continuation {
  const result = generate([...args, "--json", "--quiet"], checkpoint, input);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(result.stdout) as Continuation;
}

function promptFile(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What must not depend on how the run was made. */
const content = ({ promptIds, ids, logProbs, text, stop }: Continuation) => ({
  promptIds,
  ids,
  logProbs,
  text,
  stop,
});

describe("what comes out", () => {
  const args = ["--prompt", PROMPT, "--max-tokens", "24"];
  const expected = continuation(args);

  test("people read the text as it comes, and a summary beside it", () => {
    const { code, stdout, stderr } = generate(args);
    expect(code).toBe(0);
    expect(stdout).toBe(`${expected.text}\n`);
    expect(stderr).toMatch(
      /^\d+ \+ 24 tokens in .* \(prompt [\d.]+\/s, then [\d.]+\/s\), stopped at --max-tokens 24\n$/m,
    );
    expect(generate([...args, "--quiet"])).toEqual({ code: 0, stdout, stderr: "" });
  });

  test("machines get ids, their log-probabilities and the reason to stop", () => {
    expect(expected).toMatchObject({ stop: "length" });
    expect(expected.promptIds[0]).toBe(0);
    expect(expected.ids.length).toBe(24);
    expect(expected.logProbs.length).toBe(24);
    expect(expected.logProbs.every((logProb) => logProb < 0)).toBe(true);
    expect(expected.text.length).toBeGreaterThan(24);
    expect(expected.decodeTokensPerSecond).toBeGreaterThan(0);
  });

  test("the same from a file, from standard input, and after a BOS that the text writes itself", () => {
    const file = promptFile("prompt.txt", PROMPT);
    const rest = args.slice(2);
    expect(content(continuation(["--prompt-file", file, ...rest]))).toEqual(content(expected));
    expect(content(continuation(["--prompt-file", "-", ...rest], DEMO_CHECKPOINT, PROMPT))).toEqual(
      content(expected),
    );
    const marked = `<｜begin▁of▁sentence｜>${PROMPT}`;
    expect(content(continuation(["--prompt", marked, ...rest]))).toEqual(content(expected));
  });

  test("the same for one thread and two", () => {
    for (const threads of ["1", "2"])
      expect(content(continuation([...args, "--threads", threads]))).toEqual(content(expected));
  });

  test("the same from our GGUF with all values in F32", () => {
    const gguf = join(folder, "f32.gguf");
    expect(cli(["quantize", DEMO_CHECKPOINT, "--bits", "32", "--out", gguf])).toMatchObject({ code: 0 });
    const { logProbs, ...rest } = content(continuation(args, gguf));
    const { logProbs: original, ...same } = content(expected);
    expect(rest).toEqual(same);
    for (const [i, logProb] of logProbs.entries()) expect(logProb).toBeCloseTo(original[i], 4);
  });

  test("a seed draws its own text, again and again", () => {
    const drawn = (seed: string): string =>
      continuation([...args, "--temperature", "1", "--top-p", "0.95", "--seed", seed]).text;
    const first = drawn("1");
    expect(drawn("1")).toBe(first);
    expect(drawn("2")).not.toBe(first);
    expect(first).not.toBe(expected.text);
  });

  test("of a flag given twice the last one counts", () => {
    expect(content(continuation(["--prompt", "other", ...args]))).toEqual(content(expected));
  });
});

test("a needle is found, and the answer ends with EOS, which is no text", () => {
  const { id, prompt, prompt_ids, answer_text, answer_ids } = singleNeedles().find(
    (needle) => needle.length === 512 && needle.prompt.includes("<｜Assistant｜></think>"),
  ) as ReturnType<typeof singleNeedles>[number];
  expect(expectedOfTinyV4().retrieval.per_prompt[id].off[0]).toBe(1);
  const result = continuation(["--prompt-file", promptFile("needle.txt", prompt), "--max-tokens", "20"]);
  expect(result.promptIds).toEqual(prompt_ids);
  expect(result.ids).toEqual([...answer_ids, 1]);
  expect(result).toMatchObject({ text: answer_text, stop: "eos" });
});

test("--chat puts the text into a user's turn", () => {
  const chat = continuation(["--prompt", "Hello", "--chat", "--max-tokens", "3"]);
  const turn = renderChat([{ role: "user", content: "Hello" }], { profile: "v4-preview", mode: "nonthink" });
  const plain = continuation(["--prompt", turn, "--max-tokens", "3"]);
  expect(content(chat)).toEqual(content(plain));
  expect(chat.promptIds.slice(0, 2)).toEqual([0, 1776]);
});

test("a text that ends amid a character ends with a replacement character", () => {
  // Two tokens a character: the model goes on with what it sees.
  const args = ["--prompt", "é".repeat(10), "--max-tokens", "3"];
  expect(continuation(args).text).toBe("é\ufffd");
  expect(generate(args).stdout).toBe("é\ufffd\n");
});

test("an empty prompt is BOS alone", () => {
  expect(continuation(["--prompt", "", "--max-tokens", "1"]).promptIds).toEqual([0]);
});

describe("what can't be done is one line", () => {
  const bare = copyCheckpoint(DEMO_CHECKPOINT, join(folder, "no-tokenizer"));
  rmSync(join(bare, "tokenizer.json"));

  test.each([
    ["no prompt", [], 64, /give --prompt or --prompt-file/],
    ["both prompts", ["--prompt", "a", "--prompt-file", "b"], 64, /mutually exclusive/],
    ["a prompt without its text", ["--prompt"], 64, /Not enough arguments following: prompt/],
    ["no such file", ["--prompt-file", "/nowhere/at/all"], 66, /\/nowhere\/at\/all: no such file/],
    ["a folder as file", ["--prompt-file", folder], 65, /not a regular file/],
    [
      "more than the context",
      ["--prompt", "a", "--max-tokens", "1048576"],
      64,
      /longer than the model's context \(expected at most 1048576 tokens, found 2 and 1048576\)/,
    ],
    ["no tokens asked for", ["--prompt", "a", "--max-tokens", "0"], 64, /--max-tokens: expected/],
    ["half a token", ["--prompt", "a", "--max-tokens", "1.5"], 64, /--max-tokens: expected/],
    ["a negative temperature", ["--prompt", "a", "--temperature", "-1"], 64, /--temperature: expected/],
    ["no temperature", ["--prompt", "a", "--temperature", "x"], 64, /--temperature: expected/],
    ["topP 0", ["--prompt", "a", "--top-p", "0"], 64, /--top-p: expected/],
    ["topP above 1", ["--prompt", "a", "--top-p", "1.1"], 64, /--top-p: expected/],
    ["a seed that is no number", ["--prompt", "a", "--seed", "x"], 64, /--seed: expected/],
    ["no threads", ["--prompt", "a", "--threads", "0"], 64, /--threads: expected/],
    ["unknown numerics", ["--prompt", "a", "--numerics", "fp64"], 64, /numerics.*"fp32", "qat", "official"/],
  ] as const)("%s", (_, args, code, message) => {
    const result = generate(args);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/^v4kit: [^\n\ufffd]+\n$/);
  });

  test("no tokenizer, for people and for machines", () => {
    const { code, stdout, stderr } = generate(["--prompt", "a"], bare);
    expect({ code, stdout }).toEqual({ code: 66, stdout: "" });
    expect(stderr).toMatch(/^v4kit: \S+no-tokenizer: no tokenizer: [^\n]+\n$/);
    const machine = generate(["--prompt", "a", "--json"], bare);
    expect(JSON.parse(machine.stdout)).toMatchObject({ error: { kind: "input", exitCode: 66 } });
  });

  test("a token of the tokenizer that the model has no row for", () => {
    const larger = copyCheckpoint(DEMO_CHECKPOINT, join(folder, "larger-tokenizer"));
    const file = join(larger, "tokenizer.json");
    const tokenizer = JSON.parse(readFileSync(file, "utf8")) as { added_tokens: { id: number }[] };
    for (const token of tokenizer.added_tokens) if (token.id === 1791) token.id = 1792;
    writeFileSync(file, JSON.stringify(tokenizer));
    const { code, stderr } = generate(["--prompt", "a<｜place▁holder▁no▁3｜>"], larger);
    expect(code).toBe(64);
    expect(stderr).toMatch(/outside the vocabulary \(expected 0 to 1791, found 1792\)\n$/);
  });
});

describe("runs that end early", () => {
  const [command, ...args] = cliCommand([
    "generate",
    DEMO_CHECKPOINT,
    "--prompt",
    PROMPT,
    "--max-tokens",
    "100000",
  ]);

  /** Runs until some text has come, then does what the test is about; gives exit code and stderr. */
  function cut(
    act: (child: ReturnType<typeof spawn>) => void,
  ): Promise<{ code: number | null; stderr: string }> {
    const child = spawn(command, args);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdout.once("data", () => act(child));
    return new Promise((done) => child.once("close", (code) => done({ code, stderr })));
  }

  test("Ctrl-C: 130 and one line", async () => {
    const { code, stderr } = await cut((child) => child.kill("SIGINT"));
    expect(code).toBe(130);
    expect(stderr).toMatch(/^v4kit: interrupted [^\n]+\n$/);
  });

  test("a reader that has heard enough: no words", async () => {
    expect(await cut((child) => child.stdout?.destroy())).toEqual({ code: 74, stderr: "" });
  });
});
