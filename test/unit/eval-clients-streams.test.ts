import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Backend, GenerationRequest } from "../../evals/backend.ts";
import { readEvents } from "../../evals/clients/event-stream.ts";
import { openEndpoint } from "../../evals/clients/open-backend.ts";
import { event, json, type Script, scriptedServer, stream, withModel } from "../support/scripted-server.ts";

const REQUEST: GenerationRequest = {
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: "What is the number?" },
  ],
  prompt: { text: "<bos>What is the number?", ids: [0, 11, 12, 13] },
  mode: "nonthink",
  sampling: { temperature: 1, topP: 1, seed: 7, maxTokens: 32 },
};
const USAGE = { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 };
const delta = (members: object, finish: string | null = null): object => ({
  model: "m",
  choices: [{ index: 0, delta: members, finish_reason: finish }],
});
const FAST = { baseMs: 1, capMs: 2 };

async function open(
  script: Script,
  more: object = {},
): Promise<Backend & { requests: readonly { path: string; body: Record<string, unknown> }[] }> {
  const server = await scriptedServer(withModel(script));
  const backend = await openEndpoint({
    url: `${server.url}/v1`,
    model: "m",
    api: "chat",
    concurrency: 4,
    rules: FAST,
    env: {},
    ...more,
  });
  return { ...backend, requests: server.requests };
}

const chat =
  (...pieces: (string | Uint8Array)[]): Script =>
  (_, response) =>
    stream(response, pieces);

test("a chat: reasoning under either name, usage in a chunk without choices, comments, CRLF, keep-alive", async () => {
  for (const name of ["reasoning_content", "reasoning"]) {
    const pieces = [
      ": keep-alive\r\n\r\n",
      event(delta({ role: "assistant", content: "" })),
      event(delta({ [name]: "Let me " })),
      event(delta({ [name]: "think." })).replaceAll("\n", "\r\n"),
      ": prefill\n\n",
      event(delta({ content: "It is 4" })),
      event(delta({ content: "2." }, "stop")),
      event({ choices: [], usage: USAGE, system_fingerprint: "fp" }),
      "data: [DONE]\n\n",
    ];
    const backend = await open(chat(...pieces));
    let tokens = 0;
    const reply = await backend.generate(REQUEST, { onTokens: (count) => (tokens += count) });
    expect(reply).toMatchObject({
      content: "It is 42.",
      reasoning: "Let me think.",
      finishReason: "stop",
      usage: { promptTokens: 4, completionTokens: 2 },
      fingerprint: "fp",
      servedModel: "m",
      defects: [],
    });
    expect(tokens).toBe(4);
    expect(reply.attempts).toHaveLength(1);
    await backend.close();
  }
});

test("what is asked of a chat: messages, sampling, stream with usage", async () => {
  const backend = await open(
    chat(event(delta({ content: "x" }, "length")), event({ choices: [], usage: USAGE })),
  );
  expect(await backend.generate({ ...REQUEST, wantLogprobs: true })).toMatchObject({
    finishReason: "length",
  });
  const { path, body } = backend.requests.at(-1)!;
  expect(path).toBe("/v1/chat/completions");
  expect(body).toMatchObject({
    model: "m",
    messages: REQUEST.messages,
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 32,
    temperature: 1,
    top_p: 1,
    seed: 7,
    logprobs: true,
    chat_template_kwargs: { thinking: false },
  });
  await backend.close();
});

test.for([
  [
    "the last chunk has no newline",
    [event(delta({ content: "ok" })), `data: ${JSON.stringify(delta({}, "stop"))}`],
    "ok",
  ],
  [
    "a document instead of a stream",
    [
      '\n\n\n{"model":"m","choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":4}}',
    ],
    "ok",
  ],
  ["empty choices on the way", [event({ choices: [] }), event(delta({ content: "ok" }, "stop"))], "ok"],
  [
    "data over several lines",
    ['data: {"choices":[{"delta":{"content":"ok"},\ndata: "finish_reason":"stop"}]}\n\n'],
    "ok",
  ],
  [
    "text after the finish reason",
    [event(delta({ content: "ok" }, "stop")), event(delta({ content: "no" }))],
    "ok",
    "text after the finish reason was dropped",
  ],
  [
    "usage that cannot be",
    [
      event(delta({ content: "ok" }, "stop")),
      event({ choices: [], usage: { prompt_tokens: -4, completion_tokens: 1.5 } }),
    ],
    "ok",
    "usage.prompt_tokens is no count: -4",
  ],
  [
    "usage that does not add up",
    [
      event(delta({ content: "ok" }, "stop")),
      event({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 9 } }),
    ],
    "ok",
    "usage does not add up: 4 + 2 is not 9",
  ],
  [
    "another count of the prompt",
    [event(delta({ content: "ok" }, "stop")), event({ choices: [], usage: { prompt_tokens: 9 } })],
    "ok",
    "prompt_tokens differ: ours 4, server 9",
  ],
  [
    "more tokens than asked for",
    [
      event(delta({ content: "ok" }, "stop")),
      event({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 33 } }),
    ],
    "ok",
    "more tokens than were asked for: at most 32, server 33",
  ],
  [
    "another model",
    [event({ ...delta({ content: "ok" }, "stop"), model: "n" })],
    "ok",
    "another model answered: n",
  ],
] as const)("%s", async ([, pieces, content, defect]) => {
  const backend = await open(chat(...pieces));
  const reply = await backend.generate(REQUEST);
  expect(reply).toMatchObject({ content, finishReason: "stop" });
  if (defect) expect(reply.defects).toContain(defect);
  await backend.close();
});

test("a refusal, tool calls in pieces, log-probabilities", async () => {
  const refused = await open(chat(event(delta({ refusal: "I will not." })), event(delta({}, "stop"))));
  expect(await refused.generate(REQUEST)).toMatchObject({ finishReason: "refusal", content: "I will not." });
  const called = await open(
    chat(
      event(delta({ tool_calls: [{ index: 0, id: "c1", function: { name: "find", arguments: '{"q":' } }] })),
      event(delta({ tool_calls: [{ index: 0, function: { arguments: '"x"}' } }] }, "tool_calls")),
    ),
  );
  expect(await called.generate(REQUEST)).toMatchObject({
    finishReason: "tool_calls",
    toolCalls: [{ id: "c1", name: "find", arguments: '{"q":"x"}' }],
  });
  const logprobs = { content: [{ logprob: -0.5 }, { logprob: -9999 }, { logprob: -1.5 }] };
  const known = await open(
    chat(event({ choices: [{ delta: { content: "ab" }, logprobs, finish_reason: "stop" }], usage: USAGE })),
  );
  expect(await known.generate(REQUEST)).toMatchObject({
    logprobs: [-0.5, -1.5],
    defects: ["log-probabilities of some tokens are missing"],
  });
  for (const backend of [refused, called, known]) await backend.close();
});

test("completions get our rendering, ids where the server takes them", async () => {
  const script = withModel(
    (_, response) =>
      stream(response, [
        event({ choices: [{ text: "42</think>" }] }),
        event({
          choices: [{ text: "", logprobs: { token_logprobs: [-0.1] }, finish_reason: "stop" }],
          usage: USAGE,
        }),
      ]),
    { id: "m", owned_by: "vllm", max_model_len: 4096 },
  );
  const server = await scriptedServer(script);
  const backend = await openEndpoint({
    url: server.url,
    model: "m",
    concurrency: 1,
    withoutCache: true,
    env: {},
  });
  expect(await backend.probe()).toMatchObject({ kind: "vllm completions", contextTokens: 4096 });
  expect(await backend.generate(REQUEST)).toMatchObject({ content: "42</think>", logprobs: [-0.1] });
  const { path, body } = server.requests.at(-1)!;
  expect(path).toBe("/v1/completions");
  expect(body).toMatchObject({ prompt: [0, 11, 12, 13], seed: 7, skip_special_tokens: false });
  expect(body.cache_salt).toMatch(/^[\w-]{36}$/);
  expect(body).not.toHaveProperty("messages");
  await backend.close();
});

test("messages in Anthropic's form", async () => {
  const named = (name: string, value: object): string => `event: ${name}\n${event({ type: name, ...value })}`;
  const server = await scriptedServer(
    withModel((_, response) =>
      stream(response, [
        named("message_start", {
          message: { model: "m", usage: { input_tokens: 1, cache_read_input_tokens: 3, output_tokens: 1 } },
        }),
        named("ping", {}),
        named("content_block_start", { index: 0, content_block: { type: "thinking", thinking: "" } }),
        named("content_block_delta", { index: 0, delta: { type: "thinking_delta", thinking: "Hm." } }),
        named("content_block_delta", { index: 0, delta: { type: "signature_delta", signature: "abc" } }),
        named("content_block_stop", { index: 0 }),
        named("content_block_start", { index: 1, content_block: { type: "text", text: "" } }),
        named("content_block_delta", { index: 1, delta: { type: "text_delta", text: "4" } }),
        named("content_block_delta", { index: 1, delta: { type: "text_delta", text: "2" } }),
        named("content_block_start", {
          index: 2,
          content_block: { type: "tool_use", id: "t", name: "find", input: {} },
        }),
        named("content_block_delta", {
          index: 2,
          delta: { type: "input_json_delta", partial_json: '{"a":1}' },
        }),
        named("something_new", { index: 9 }),
        named("message_delta", { delta: { stop_reason: "tool_use" }, usage: { output_tokens: 9 } }),
        named("message_stop", {}),
      ]),
    ),
  );
  const backend = await openEndpoint({
    url: `${server.url}/v1/messages`,
    model: "m",
    concurrency: 1,
    env: { K: "secret-key-of-ours" },
    key: { variable: "K" },
  });
  expect(await backend.generate({ ...REQUEST, mode: "high", answerPrefix: "The" })).toMatchObject({
    content: "42",
    reasoning: "Hm.",
    finishReason: "tool_calls",
    toolCalls: [{ id: "t", name: "find", arguments: '{"a":1}' }],
    usage: { promptTokens: 4, completionTokens: 9, cachedTokens: 3 },
    defects: [],
  });
  const { path, headers, body } = server.requests.at(-1)!;
  expect(path).toBe("/v1/messages");
  expect(headers).toMatchObject({ "x-api-key": "secret-key-of-ours", "anthropic-version": "2023-06-01" });
  expect(body).toMatchObject({
    system: "Be brief.",
    messages: [
      { role: "user", content: "What is the number?" },
      { role: "assistant", content: "The" },
    ],
    max_tokens: 32,
    thinking: { type: "enabled" },
    output_config: { effort: "high" },
  });
  await backend.close();
});

test("property: the same events, whatever the network does to a stream's bytes", async () => {
  const texts = fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 6,
  });
  const property = fc.asyncProperty(
    texts,
    fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
    fc.constantFrom("\n", "\r\n"),
    async (pieces, sizes, newline) => {
      const bytes = Buffer.from(
        pieces.map((text) => `: x${newline}data: ${JSON.stringify(text)}${newline}${newline}`).join(""),
      );
      const chunks = async function* () {
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value as number;
          yield bytes.subarray(at, at + size);
          at += size;
        }
      };
      const events: string[] = [];
      for await (const { data } of readEvents(chunks())) events.push(JSON.parse(data) as string);
      expect(events).toEqual(pieces);
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test("a server that never ends the connection after [DONE] does not hold us", async () => {
  const backend = await open((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(event({ ...delta({ content: "ok" }, "stop"), usage: USAGE }));
    response.write("data: [DONE]\n\n");
    const more = setInterval(() => response.write("data: [DONE]\n\n"), 20);
    response.once("close", () => clearInterval(more));
  });
  expect(await backend.generate(REQUEST)).toMatchObject({ content: "ok" });
  await backend.close();
});

test("an endpoint that has no stream of its own is told apart from an error page", async () => {
  const backend = await open(
    (_, response) => json(response, 200, { error: { message: "no such luck", code: "odd" } }),
    {
      rules: { ...FAST, identical: 2 },
    },
  );
  await expect(backend.generate(REQUEST)).rejects.toMatchObject({
    name: "SampleFailure",
    kind: "failed",
    message: "error in the stream (odd): no such luck",
  });
  await backend.close();
});

test("comments keep a silent stream alive; silence ends it", async () => {
  const IDLE_MS = 1500;
  const beats = 20;
  const backend = await open(
    async (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let i = 0; i < beats; i++) {
        response.write(": keep-alive\n\n");
        await sleep((1.2 * IDLE_MS) / beats);
      }
      response.end(event(delta({ content: "ok" }, "stop")));
    },
    { limits: { idleMs: IDLE_MS } },
  );
  expect((await backend.generate(REQUEST)).attempts).toHaveLength(1);
  await backend.close();
  const silent = await open(
    (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event(delta({ content: "o" })));
    },
    { limits: { idleMs: 40 }, rules: { ...FAST, tries: 2 } },
  );
  await expect(silent.generate(REQUEST)).rejects.toMatchObject({
    kind: "infra",
    message: "not a byte for 0.04 s",
    attempts: [{}, {}],
  });
  await silent.close();
});

test("a cut stream is asked for anew, never continued, and what it counted is on record", async () => {
  let tries = 0;
  const backend = await open((_, response) => {
    const usage = { prompt_tokens: 4, completion_tokens: 1 };
    if (++tries > 1) return stream(response, [event({ ...delta({ content: "whole" }, "stop"), usage })]);
    response.writeHead(200, { "content-type": "text/event-stream" });
    return new Promise<void>((cut) => {
      response.write(event({ ...delta({ content: "ha" }), usage }), () => {
        response.destroy();
        cut();
      });
    });
  });
  expect(await backend.generate(REQUEST)).toMatchObject({
    content: "whole",
    attempts: [{ billedTokens: 5 }, { status: 200 }],
  });
  await backend.close();
});

test.for([
  ["insufficient_system_resource", "the server gave up: insufficient_system_resource"],
  ["abort", "the server gave up: abort"],
  ["whatever", 'unknown finish reason "whatever"'],
  ["constructor", 'unknown finish reason "constructor"'],
] as const)("finish reason %s is no reply", async ([reason, message]) => {
  const backend = await open(chat(event(delta({ content: "x" }, reason))), { rules: { ...FAST, tries: 2 } });
  await expect(backend.generate(REQUEST)).rejects.toMatchObject({ message });
  await backend.close();
});
