import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Backend, GenerationRequest } from "../../evals/backend.ts";
import { openEndpoint } from "../../evals/clients/open-backend.ts";
import type { EvalReport } from "../../evals/run/run-eval.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { findLlamaLibraries } from "../../tools/peers/llama-libraries.ts";
import { llamaLogits } from "../../tools/peers/llama-logits.ts";
import { openTokenizer, type Tokenizer } from "../../tools/tokenizer/tokenizer.ts";
import { cli } from "../support/cli.ts";
import { type FixtureProcess, startFixture } from "../support/fixture-process.ts";
import { scratchFolder } from "../support/scratch.ts";
import { expectedOfTinyV4 } from "../support/tiny-v4.ts";

const libraries = findLlamaLibraries() as string;
if (!libraries)
  console.warn(
    `SKIPPED: llama.cpp v0.5.0 is not installed for ${process.platform}-${process.arch}; no foreign engine answered our client`,
  );

const CONTEXT = 1024;
const REPLY_TOKENS = 12;
const PROMPT = expectedOfTinyV4().sample.ids.slice(0, 60);
const scratch = scratchFolder();
const gguf = join(scratch, "tiny.gguf");
let front: FixtureProcess;
let backend: Backend;
let tokenizer: Tokenizer;

beforeAll(async () => {
  if (!libraries) return;
  expect(cli(["quantize", DEMO_CHECKPOINT, "--bits", "32", "--out", gguf])).toMatchObject({ code: 0 });
  front = await startFixture("llama-front/main.ts", [libraries, gguf, "tiny-v4", String(CONTEXT)]);
  backend = await openEndpoint({ url: front.line, model: "tiny-v4", concurrency: 2, env: {} });
  const source = await openCheckpoint(DEMO_CHECKPOINT);
  tokenizer = await openTokenizer(source);
  await source.close();
});
afterAll(async () => {
  await backend?.close();
  await front?.stop();
});

const requestOf = (temperature: number, seed: number): GenerationRequest => ({
  messages: [],
  prompt: { text: tokenizer.decode(PROMPT), ids: PROMPT },
  mode: "nonthink",
  sampling: { temperature, topP: 1, seed, maxTokens: REPLY_TOKENS },
  wantLogprobs: true,
});

test.skipIf(!libraries)("a real engine is recognised by what it says of itself", async () => {
  expect(await backend.probe()).toMatchObject({
    kind: "llama.cpp completions",
    model: "tiny-v4",
    contextTokens: CONTEXT,
    serverVersion: "v0.5.0",
  });
});

test.skipIf(!libraries)("its greedy continuation is the one that the library gives directly", async () => {
  const reply = await backend.generate(requestOf(0, 0));
  expect(reply).toMatchObject({
    finishReason: "length",
    usage: { promptTokens: PROMPT.length, completionTokens: REPLY_TOKENS },
    servedModel: "tiny-v4",
    defects: [],
  });
  // If every token is the likeliest one after those before it, the reply is the library's own greedy continuation.
  const ids = tokenizer.encode(reply.content);
  expect(ids).toHaveLength(REPLY_TOKENS);
  const logits = await llamaLogits(libraries, gguf, [...PROMPT, ...ids]);
  const vocab = logits.length / (PROMPT.length + REPLY_TOKENS);
  for (const [i, id] of ids.entries()) {
    const at = (PROMPT.length - 1 + i) * vocab;
    const row = logits.subarray(at, at + vocab);
    const top = Math.max(...row);
    expect(row.indexOf(top)).toBe(id);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - top), 0);
    // One token at a time is not the same arithmetic as all at once.
    expect(reply.logprobs?.[i]).toBeCloseTo(-Math.log(sum), 3);
  }
});

test.skipIf(!libraries)(
  "sampling follows the seed, and requests side by side do not disturb each other",
  async () => {
    const seeds = [1, 2, 3, 4];
    const sampled = async () =>
      Promise.all(seeds.map(async (seed) => (await backend.generate(requestOf(1, seed))).content));
    const first = await sampled();
    expect(await sampled()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
  },
);

test.skipIf(!libraries)("a prompt that does not fit is a sample that is too long", async () => {
  const { prompt, ...rest } = requestOf(0, 0);
  const ids = Array.from({ length: CONTEXT }, (_, i) => PROMPT[i % PROMPT.length]);
  await expect(backend.generate({ ...rest, prompt: { ...prompt, ids } })).rejects.toMatchObject({
    kind: "too_long",
    message: "400: the request exceeds the available context size",
  });
});

test.skipIf(!libraries)(
  "a prompt sent as text is the same prompt: the engine's tokenizer agrees",
  async () => {
    const plain = await openEndpoint({
      url: front.line,
      model: "tiny-v4",
      concurrency: 1,
      server: "openai",
      env: {},
    });
    const reply = await plain.generate(requestOf(0, 0));
    expect(reply).toMatchObject({ content: (await backend.generate(requestOf(0, 0))).content, defects: [] });
    await plain.close();
  },
);

test.skipIf(!libraries)("a whole evaluation on it: every sample answered, and the needles found", () => {
  const { code, stdout } = cli([
    ...["eval", "longctx", "--endpoint", front.line, "--model", "tiny-v4", "--tokenizer", DEMO_CHECKPOINT],
    ...["--suite", "niah", "--style", "noise", "--lengths", "512", "--depths", "0,50,100", "--samples", "1"],
    ...["--out", join(scratch, "run"), "--json"],
  ]);
  expect(code).toBe(0);
  const { report } = JSON.parse(stdout) as { report: EvalReport };
  expect(report.contract.backend).toMatchObject({ kind: "llama.cpp completions", serverVersion: "v0.5.0" });
  // Its tokenizer counts every prompt as ours does: else it were a defect.
  expect(report.summary).toMatchObject({ samples: 3, score: 1, defects: {}, statuses: { ok: 3 } });
});
