import { afterAll, expect, test } from "vitest";
import { type GenerationRequest, SampleFailure } from "../../evals/backend.ts";
import { type EndpointOptions, openEndpoint } from "../../evals/clients/open-backend.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { encodeChat, renderChat } from "../../tools/tokenizer/chat-encoding.ts";
import type { ChatMessage } from "../../tools/tokenizer/chat-types.ts";
import { openTokenizer } from "../../tools/tokenizer/tokenizer.ts";
import { startEvalServer } from "../support/eval-server.ts";
import { FULL } from "../support/scratch.ts";

const server = await startEvalServer();
afterAll(() => server.stop());

const COUNT = FULL ? 1000 : 80;
const FAST = { baseMs: 1, capMs: 4 };

const requestOf = (i: number): GenerationRequest => ({
  messages: [{ role: "user", content: `Question ${i}: which of ${1e6 + i} and ${2e6 + 7 * i} is it?` }],
  prompt: { text: `Question ${i}: ${1e6 + i}, ${2e6 + 7 * i}?`, ids: [i, 1e6 + i, 2e6 + 7 * i] },
  mode: "nonthink",
  sampling: { temperature: 1, topP: 1, maxTokens: 64 },
});

const open = (more: Partial<EndpointOptions> = {}) =>
  openEndpoint({ url: server.url, model: "tiny-v4", concurrency: 16, rules: FAST, env: {}, ...more });

async function runAll(api: "chat" | "completions" | "messages", more: Partial<EndpointOptions> = {}) {
  await server.clearLog();
  const backend = await open({ api, ...more });
  const replies = await Promise.all(Array.from({ length: COUNT }, (_, i) => backend.generate(requestOf(i))));
  await backend.close();
  const log = await server.log();
  return { replies, log, contents: replies.map(({ content }) => content) };
}

/** Silence costs time, so one API meets it; its limit is what a busy machine stays below. */
const STALLS = { stall: FULL ? 0.004 : 0.02 };
const IDLE_MS = 5000;
const RATES = {
  "429": 0.04,
  "429-retry-after": 0.03,
  "500": 0.04,
  "503": 0.03,
  reset: 0.03,
  cut: 0.05,
  malformed: 0.04,
  "error-in-stream": 0.03,
  "half-utf8": 0.05,
  "keep-alive": 0.05,
  "empty-choices": 0.05,
  "wrong-usage": 0.05,
  "no-final-newline": 0.05,
  crlf: 0.05,
};

test.for(["chat", "completions", "messages"] as const)(
  "%s: every sample comes exactly once and is what the undisturbed server says",
  async (api) => {
    await server.control({ rates: {}, stallMs: 60_000 });
    const calm = await runAll(api);
    expect(calm.log.filter(({ kind }) => kind === "request")).toHaveLength(COUNT);
    const rates = api === "chat" ? { ...RATES, ...STALLS } : RATES;
    await server.control({ rates, seed: 5 });
    const rough = await runAll(api, { limits: { idleMs: IDLE_MS } });
    expect(rough.contents).toEqual(calm.contents);
    // The server sent each answer whole exactly once, and what it sent is what we have.
    const sent = rough.log.filter(({ kind }) => kind === "answer").map(({ content }) => content);
    expect([...sent].sort()).toEqual([...rough.contents].sort());
    const requests = rough.log.filter(({ kind }) => kind === "request");
    expect(requests.length).toBeGreaterThan(1.2 * COUNT);
    expect(rough.replies.reduce((sum, { attempts }) => sum + attempts.length, 0)).toBe(requests.length);
    for (const { attempts } of rough.replies) {
      expect(attempts.at(-1)).toMatchObject({ status: 200 });
      for (const failed of attempts.slice(0, -1)) expect(failed.message).toBeTruthy();
    }
    const met = new Set(requests.map(({ fault }) => fault));
    for (const fault of Object.keys(rates)) expect(met).toContain(fault);
    await server.control({ rates: {} });
  },
);

test("wrong counts of the prompt are defects of the samples that had them, and of no other", async () => {
  await server.control({ rates: { "wrong-usage": 0.3 }, seed: 3 });
  const { replies, log } = await runAll("completions", { server: "vllm" });
  const odd = replies.filter(({ defects }) =>
    defects.some((defect) => defect.startsWith("prompt_tokens differ")),
  );
  expect(odd.length).toBe(
    log.filter(({ kind, fault }) => kind === "answer" && fault === "wrong-usage").length,
  );
  expect(odd.length).toBeGreaterThan(0);
  await server.control({ rates: {} });
});

test("the same refusal three times ends a sample, not the run", async () => {
  await server.control({ alwaysFails: "Question 7:" });
  await server.clearLog();
  const backend = await open({ api: "chat" });
  const failure = await backend.generate(requestOf(7)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(SampleFailure);
  expect(failure).toMatchObject({ kind: "failed", message: "500: this prompt breaks the engine" });
  expect((failure as SampleFailure).attempts.map(({ status }) => status)).toEqual([500, 500, 500]);
  expect(await backend.generate(requestOf(8))).toMatchObject({ finishReason: "stop" });
  await backend.close();
  await server.control({ alwaysFails: "" });
});

test("a server that only resets: out of tries, then the run ends with exit code 75", async () => {
  await server.control({ rates: { reset: 1 } });
  const backend = await open({ api: "chat", rules: { ...FAST, tries: 3 } });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) => backend.generate(requestOf(i))),
  );
  const reasons = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason);
  const lost = reasons.filter((reason) => reason instanceof SampleFailure);
  expect(lost).toHaveLength(10);
  expect(lost[0]).toMatchObject({ kind: "infra", attempts: [{}, {}, {}] });
  const ended = reasons.filter((reason) => !(reason instanceof SampleFailure));
  expect(ended).toHaveLength(30);
  for (const reason of ended) expect(reason).toMatchObject({ exitCode: 75 });
  await backend.close();
  await server.control({ rates: {} });
});

test("an account that runs empty ends the run at once with exit code 77, for samples in flight too", async () => {
  await server.control({ paidRequests: 5 });
  await server.clearLog();
  const backend = await open({ api: "chat", concurrency: 1 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, (_, i) => backend.generate(requestOf(i))),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
  for (const outcome of outcomes.slice(5))
    expect((outcome as PromiseRejectedResult).reason).toMatchObject({ exitCode: 77 });
  expect((await server.log()).filter(({ kind }) => kind === "request")).toHaveLength(5);
  await backend.close();
  await server.control({ paidRequests: 0 });
});

test("with a checkpoint the server counts as we do, on every API and in every mode", async () => {
  const counting = await startEvalServer({ checkpoint: DEMO_CHECKPOINT });
  const source = await openCheckpoint(DEMO_CHECKPOINT);
  const tokenizer = await openTokenizer(source);
  const messages: ChatMessage[] = [
    { role: "system", content: "Only the number." },
    { role: "user", content: "The number is 7654321. Which is it?" },
  ];
  for (const api of ["chat", "completions", "messages"] as const) {
    const backend = await openEndpoint({
      url: counting.url,
      model: "tiny-v4",
      concurrency: 2,
      api,
      server: "vllm",
      env: {},
    });
    for (const mode of ["nonthink", "high", "max"] as const) {
      const options = { profile: "v4-preview", mode } as const;
      const prompt = { text: renderChat(messages, options), ids: encodeChat(tokenizer, messages, options) };
      const sampling = { temperature: 1, topP: 1, maxTokens: 64 };
      const reply = await backend.generate({ messages, prompt, mode, sampling });
      expect(reply.usage.promptTokens).toBe(prompt.ids.length);
      expect(reply.defects).toEqual([]);
      const thought =
        api === "completions" ? reply.content.includes("</think>") : reply.reasoning !== undefined;
      expect(thought).toBe(mode !== "nonthink");
    }
    await backend.close();
  }
  await source.close();
  await counting.stop();
});
