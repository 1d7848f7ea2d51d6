import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, expect, test } from "vitest";
import type { GenerationRequest } from "../../evals/backend.ts";
import { DIALECTS } from "../../evals/clients/dialects.ts";
import { openEndpoint } from "../../evals/clients/open-backend.ts";
import { requestBody } from "../../evals/clients/request-body.ts";
import { event, json, type Script, scriptedServer, stream } from "../support/scripted-server.ts";

const REQUEST: GenerationRequest = {
  messages: [{ role: "user", content: "hello" }],
  prompt: { text: "<bos>hello", ids: [0, 5] },
  mode: "nonthink",
  sampling: { temperature: 0.6, topP: 0.95, seed: 9, maxTokens: 2048, stop: ["\n\n"] },
};

const dialectOf = (name: string) => DIALECTS.find((dialect) => dialect.name === name)!;
const chatBody = (name: string, request: Partial<GenerationRequest> = {}, salt?: string) =>
  requestBody({ ...REQUEST, ...request }, { api: "chat", dialect: dialectOf(name), model: "m", salt });

/** A server that answers some addresses and refuses an empty request. */
const serving =
  (answers: Readonly<Record<string, object>>): Script =>
  ({ method, path, body }, response) => {
    if (method === "GET") return json(response, answers[path] ? 200 : 404, answers[path] ?? {});
    if (Object.keys(body).length === 0) return json(response, 400, { error: "a prompt is required" });
    return stream(response, [
      event({ choices: [{ text: "x", delta: { content: "x" }, finish_reason: "stop" }] }),
    ]);
  };

const models = (entry: object): object => ({ object: "list", data: [{ id: "m", ...entry }] });

test.for([
  [
    "vllm by its list",
    { "/v1/models": models({ owned_by: "vllm", max_model_len: 4096 }), "/version": { version: "0.24" } },
    "vllm completions",
    4096,
    "0.24",
  ],
  [
    "vllm by its version",
    { "/v1/models": models({ max_model_len: 4096 }), "/version": { version: "0.24" } },
    "vllm completions",
    4096,
    "0.24",
  ],
  [
    "sglang",
    {
      "/v1/models": models({ owned_by: "sglang", max_model_len: 8192 }),
      "/get_server_info": { version: "0.6", mem_fraction_static: 0.8 },
    },
    "sglang completions",
    8192,
    "0.6",
  ],
  [
    "llama.cpp, its slot's context and not the model's",
    {
      "/v1/models": models({ owned_by: "llamacpp", meta: { n_ctx_train: 1048576 } }),
      "/props": { default_generation_settings: { n_ctx: 2048 }, build_info: "b9000" },
    },
    "llama.cpp completions",
    2048,
    "b9000",
  ],
  [
    "llama.cpp by its properties",
    { "/v1/models": models({}), "/props": { default_generation_settings: { n_ctx: 2048 } } },
    "llama.cpp completions",
    2048,
    undefined,
  ],
  [
    "ds4-server",
    { "/v1/models": models({ owned_by: "ds4.c", context_length: 100000 }) },
    "ds4-server chat",
    100000,
    undefined,
  ],
  ["nobody that we know", { "/v1/models": models({}) }, "openai completions", undefined, undefined],
] as const)("recognised: %s", async ([, answers, kind, contextTokens, serverVersion]) => {
  const server = await scriptedServer(serving(answers));
  const backend = await openEndpoint({ url: server.url, model: "m", concurrency: 1, env: {} });
  const identity = await backend.probe();
  expect(identity).toMatchObject({ kind, host: new URL(server.url).host, model: "m" });
  expect(identity.contextTokens).toBe(contextTokens);
  expect(identity.serverVersion).toBe(serverVersion);
  expect(await backend.generate(REQUEST)).toMatchObject({ content: "x" });
  await backend.close();
});

test.for([
  [
    "deepseek",
    { thinking: { type: "disabled" } },
    { thinking: { type: "enabled" }, reasoning_effort: "max" },
  ],
  [
    "ds4-server",
    { thinking: { type: "disabled" } },
    { thinking: { type: "enabled" }, reasoning_effort: "max" },
  ],
  ["openrouter", { reasoning: { enabled: false } }, { reasoning: { effort: "xhigh" } }],
  [
    "vllm",
    { chat_template_kwargs: { thinking: false } },
    { chat_template_kwargs: { thinking: true, reasoning_effort: "max" } },
  ],
  [
    "sglang",
    { chat_template_kwargs: { thinking: false } },
    { chat_template_kwargs: { thinking: true }, reasoning_effort: "max" },
  ],
  [
    "llama.cpp",
    { chat_template_kwargs: { enable_thinking: false } },
    { chat_template_kwargs: { enable_thinking: true, reasoning_effort: "max" } },
  ],
] as const)("%s is told how much to think", ([name, nonthink, max]) => {
  expect(chatBody(name)).toMatchObject(nonthink);
  expect(chatBody(name)).not.toHaveProperty("reasoning_effort");
  expect(chatBody(name, { mode: "max" })).toMatchObject(max);
});

test("sampling, seed and cache are said as each server takes them", () => {
  for (const { name } of DIALECTS.filter(({ thinking }) => thinking.nonthink))
    expect(chatBody(name)).toMatchObject({ temperature: 0.6, top_p: 0.95, max_tokens: 2048, stop: ["\n\n"] });
  expect(chatBody("deepseek")).not.toHaveProperty("seed");
  expect(chatBody("vllm")).toMatchObject({ seed: 9 });
  expect(chatBody("vllm", {}, "s1")).toMatchObject({ cache_salt: "s1" });
  expect(chatBody("llama.cpp", {}, "s1")).toMatchObject({ cache_prompt: false });
  expect(chatBody("deepseek", {}, "s1")).toMatchObject({ user_id: "s1" });
  expect(chatBody("vllm")).not.toHaveProperty("cache_salt");
});

test("the beginning of the answer goes to servers that can continue it", () => {
  const prefixed = { answerPrefix: "The answer is" };
  const last = { role: "assistant", content: "The answer is" };
  expect(chatBody("vllm", prefixed)).toMatchObject({
    continue_final_message: true,
    add_generation_prompt: false,
  });
  expect((chatBody("vllm", prefixed).messages as object[]).at(-1)).toEqual(last);
  expect((chatBody("deepseek", prefixed).messages as object[]).at(-1)).toEqual(REQUEST.messages[0]);
});

test("a server that cannot continue an answer: the sample says so", async () => {
  const server = await scriptedServer(
    serving({ "/v1/models": models({ owned_by: "ds4.c", context_length: 4096 }) }),
  );
  const backend = await openEndpoint({ url: server.url, model: "m", concurrency: 1, env: {} });
  const { defects } = await backend.generate({ ...REQUEST, answerPrefix: "The" });
  expect(defects).toContain("the answer's beginning was not sent: this server cannot continue a reply");
  await expect(backend.generate({ ...REQUEST, mode: "max" })).rejects.toMatchObject({
    exitCode: 64,
    message: expect.stringMatching(/at least 393216 tokens of context, found 4096/),
  });
  await backend.close();
});

test("what cannot be asked for is refused before anything is sent", async () => {
  const server = await scriptedServer(serving({ "/v1/models": models({ owned_by: "ds4.c" }) }));
  const options = { url: server.url, model: "m", concurrency: 1, env: {} };
  const backend = await openEndpoint({ ...options, api: "completions" });
  await expect(backend.probe()).rejects.toMatchObject({ exitCode: 64 });
  await backend.close();
  const unknown = await openEndpoint({ ...options, server: "vlm" });
  await expect(unknown.probe()).rejects.toMatchObject({
    exitCode: 64,
    message: expect.stringMatching(/vllm/),
  });
  await unknown.close();
  await expect(openEndpoint({ ...options, concurrency: 0 })).rejects.toMatchObject({ exitCode: 64 });
  await expect(openEndpoint({ ...options, requestsPerMinute: 0 })).rejects.toMatchObject({ exitCode: 64 });
  expect(() => chatBody("anthropic", { mode: "high" })).toThrow(/no thinking mode/);
});

test("a proxy of the environment is used, but not for hosts that are excepted", async () => {
  const server = await scriptedServer(
    serving({ "/v1/models": models({ owned_by: "ds4.c", context_length: 4096 }) }),
  );
  const passed: string[] = [];
  const proxy = createServer((incoming, response) => {
    passed.push(String(incoming.url));
    const onward = httpRequest(
      String(incoming.url),
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    incoming.pipe(onward);
  });
  proxy.on("connect", (incoming, client) => {
    passed.push(String(incoming.url));
    const [host, port] = String(incoming.url).split(":");
    const onward = connect(Number(port), host, () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      onward.pipe(client).pipe(onward);
    });
    for (const socket of [client, onward]) socket.on("error", () => {});
  });
  await new Promise<void>((listening) => proxy.listen(0, "127.0.0.1", listening));
  afterAll(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  for (const [env, through] of [
    [{ http_proxy, no_proxy: "elsewhere.example" }, true],
    [{ http_proxy, no_proxy: "127.0.0.1" }, false],
  ] as const) {
    passed.length = 0;
    const backend = await openEndpoint({ url: server.url, model: "m", concurrency: 1, env });
    expect(await backend.generate(REQUEST)).toMatchObject({ content: "x" });
    await backend.close();
    expect(passed.length > 0).toBe(through);
  }
});
