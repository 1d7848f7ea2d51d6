import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { GenerationRequest } from "../../evals/backend.ts";
import { type EndpointOptions, openEndpoint } from "../../evals/clients/open-backend.ts";
import { V4Error } from "../../tools/lib/errors.ts";
import { scratchFolder } from "../support/scratch.ts";
import { event, json, type Script, scriptedServer, stream, withModel } from "../support/scripted-server.ts";

const KEY = "sk-proj-0123456789abcdefghij";
const folder = scratchFolder();

const REQUEST: GenerationRequest = {
  messages: [{ role: "user", content: "hello" }],
  prompt: { text: "hello", ids: [1, 2] },
  mode: "nonthink",
  sampling: { temperature: 1, topP: 1, maxTokens: 8 },
};

const open = (url: string, more: Partial<EndpointOptions> = {}) =>
  openEndpoint({
    url,
    model: "m",
    concurrency: 2,
    env: { OURS: KEY },
    key: { variable: "OURS" },
    rules: { baseMs: 1, capMs: 1 },
    ...more,
  });

/** What a failure shows in any way: its line, its parts, its stack, its cause, its log of tries. */
async function shown(
  promise: Promise<unknown>,
): Promise<{ readonly error: V4Error; readonly everything: string }> {
  const error = await promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (reason: unknown) => reason as V4Error,
  );
  const parts = (value: unknown): string =>
    value instanceof Error
      ? `${value.stack} ${JSON.stringify(value)} ${parts(value.cause)}`
      : String(JSON.stringify(value));
  return { error, everything: parts(error) };
}

async function probing(script: Script, more: Partial<EndpointOptions> = {}) {
  const server = await scriptedServer(script);
  const backend = await open(`${server.url}/v1`, more);
  const result = await shown(backend.probe());
  await backend.close();
  return result;
}

test.for([
  ["a password", `http://user:${KEY}@localhost:1/v1`],
  ["a name", `http://${KEY}@localhost:1/v1`],
  ["a key among the parameters", `http://localhost:1/v1?api_key=${KEY}`],
  ["a token among the parameters", `http://localhost:1/v1?access_token=${KEY}`],
  ["the key in the path", `http://localhost:1/${KEY}/v1`],
  ["another protocol", `ftp://${KEY}.example`],
  ["no URL", KEY],
])("a URL with %s is refused and not repeated", async ([, url]) => {
  const { error, everything } = await shown(open(url));
  expect(error).toMatchObject({ exitCode: 64 });
  expect(everything).not.toContain(KEY);
});

test("a key comes from the file or variable that was named; one of another service stays where it is", async () => {
  const server = await scriptedServer(withModel((_, response) => json(response, 400, {})));
  const file = join(folder, "key");
  writeFileSync(file, `  ${KEY}\n`);
  const env = { OURS: KEY, OPENAI_API_KEY: "sk-of-another-service", DEEPSEEK_API_KEY: "sk-of-a-third" };
  for (const [key, sent] of [
    [{ file }, `Bearer ${KEY}`],
    [{ variable: "OURS" }, `Bearer ${KEY}`],
    [{}, undefined],
  ] as const) {
    const backend = await open(server.url, { env, key });
    await backend.probe();
    await backend.close();
    expect(server.requests.at(-1)!.headers.authorization).toBe(sent);
  }
  expect(JSON.stringify(server.requests)).not.toMatch(/sk-of-a/);
  await expect(open("https://api.deepseek.com", { env: {}, key: {} })).rejects.toMatchObject({
    exitCode: 77,
    message: expect.stringMatching(/DEEPSEEK_API_KEY/),
  });
  // A dry run sends nothing.
  await (await open("https://api.deepseek.com", { env: {}, key: { optional: true } })).close();
  await expect(open(server.url, { env: {}, key: { variable: "OURS" } })).rejects.toMatchObject({
    exitCode: 66,
  });
  writeFileSync(file, `${KEY}\nanother line of ${KEY}`);
  const { error, everything } = await shown(open(server.url, { key: { file } }));
  expect(error).toMatchObject({ exitCode: 64 });
  expect(everything).not.toContain(KEY);
});

test("a server that repeats the key in refusals, whole, shortened or encoded", async () => {
  const echoes = [
    `invalid key ${KEY}`,
    `Incorrect API key provided: sk-proj-****ghij`,
    `header was Bearer ${KEY}, base64 ${Buffer.from(KEY).toString("base64")}`,
  ];
  for (const message of echoes)
    for (const status of [401, 403]) {
      const { error, everything } = await probing((_, response) =>
        json(response, status, { error: { message } }),
      );
      expect(error).toMatchObject({ exitCode: 77 });
      expect(error.message).toMatch(/the server does not let us in .*OURS/);
      expect(everything).not.toMatch(/sk-proj|0123456789|c2stcHJvai/);
    }
});

test("a server that repeats the key while it answers: replies, tries and failures are without it", async () => {
  const server = await scriptedServer(
    withModel((request, response) => {
      const said = String(request.headers.authorization);
      if (server.requests.length % 2 === 1) return json(response, 500, { error: { message: said } });
      const delta = { content: said, reasoning_content: said };
      return stream(response, [
        event({ model: said, system_fingerprint: said, choices: [{ delta, finish_reason: "stop" }] }),
      ]);
    }),
  );
  const backend = await open(`${server.url}/v1`, { api: "chat" });
  const replies = [await backend.generate(REQUEST), await backend.generate(REQUEST)];
  expect(replies.flatMap(({ attempts }) => attempts).some(({ status }) => status === 500)).toBe(true);
  expect(replies[0].content).toBe("Bearer [key]");
  expect(JSON.stringify(replies)).not.toContain(KEY);
  await backend.close();
  const broken = await scriptedServer(
    withModel((request, response) =>
      json(response, 500, { error: { message: request.headers.authorization } }),
    ),
  );
  const failing = await open(`${broken.url}/v1`, { api: "chat" });
  expect((await shown(failing.generate(REQUEST))).everything).not.toContain(KEY);
  await failing.close();
});

test("a server that repeats the key when it says what it is", async () => {
  const script: Script = ({ method, path, headers }, response) => {
    if (path.endsWith("/models"))
      return json(response, 200, { data: [{ id: "m", owned_by: "vllm" }, { id: headers.authorization }] });
    if (method === "GET") return json(response, 200, { version: headers.authorization });
    return json(response, 400, {});
  };
  const server = await scriptedServer(script);
  const backend = await open(server.url);
  expect(await backend.probe()).toMatchObject({ serverVersion: "Bearer [key]" });
  await backend.close();
  const { error, everything } = await probing(script, { model: "n" });
  expect(error).toMatchObject({ exitCode: 66 });
  expect(everything).not.toContain(KEY);
});

test("a redirect is not followed: the key stays with the endpoint", async () => {
  const other = await scriptedServer((_, response) => json(response, 200, { data: [{ id: "m" }] }));
  const { error } = await probing((_, response) => {
    response.writeHead(307, { location: `${other.url}/v1/models` });
    response.end();
  });
  expect(error).toMatchObject({ exitCode: 66 });
  expect(error.message).toMatch(/\(307\)/);
  expect(other.requests).toHaveLength(0);
});

test("an endpoint that is not there", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => taken.once("listening", listening));
  const { port } = taken.address() as AddressInfo;
  await new Promise((closed) => taken.close(closed));
  const backend = await open(`http://127.0.0.1:${port}/v1`);
  const { error } = await shown(backend.probe());
  expect(error).toMatchObject({ exitCode: 69 });
  expect(error.message).toBe(
    `http://127.0.0.1:${port}/v1/models: the endpoint cannot be reached: connection refused; check --endpoint, and that the server runs`,
  );
  await backend.close();
});

test("a host that takes the connection and says nothing", async () => {
  const server = await scriptedServer(() => {});
  const backend = await open(server.url, { limits: { firstByteMs: 50 } });
  expect((await shown(backend.probe())).error).toMatchObject({
    exitCode: 69,
    message: expect.stringMatching(/not a byte for 0.05 s/),
  });
  await backend.close();
});

test("a wrong path says what was tried", async () => {
  const { error } = await probing((_, response) => json(response, 404, { error: "nothing here" }));
  expect(error).toMatchObject({ exitCode: 66 });
  expect(error.message).toMatch(
    /GET \S+\/v1\/models \(404\), POST \S+\/v1\/completions \(404\), POST \S+\/v1\/chat\/completions \(404\)/,
  );
});

test("a web page is no list of models, and no API", async () => {
  const { error } = await probing((request, response) => {
    response.writeHead(request.method === "GET" ? 200 : 405, { "content-type": "text/html" });
    response.end("<html>Welcome</html>");
  });
  expect(error).toMatchObject({ exitCode: 66, message: expect.stringMatching(/models \(200, no list\)/) });
});

test("a model that the server does not know, before anything is paid", async () => {
  const server = await scriptedServer(
    withModel((_, response) => json(response, 200, {}), { id: "deepseek-v4-flash" }),
  );
  const backend = await open(server.url, { model: "deepseek-v4-flsh" });
  const { error } = await shown(backend.generate(REQUEST));
  expect(error).toMatchObject({ exitCode: 66 });
  expect(error.message).toMatch(/has no model "deepseek-v4-flsh" \(expected deepseek-v4-flash\)/);
  expect(server.requests.filter(({ method }) => method === "POST")).toHaveLength(0);
  await backend.close();
});

test("a context larger than the server's, with both numbers", async () => {
  const script = withModel((_, response) => json(response, 400, {}), {
    id: "m",
    owned_by: "vllm",
    max_model_len: 32768,
  });
  const { error } = await probing(script, { neededTokens: 131072 });
  expect(error).toMatchObject({ exitCode: 64 });
  expect(error.message).toMatch(/at most 32,768 tokens, found 131,072/);
});

test("a server that is still loading its model is a matter of waiting", async () => {
  const { error } = await probing((_, response) =>
    json(response, 503, { error: { message: "Loading model" } }),
  );
  expect(error).toMatchObject({ exitCode: 75, message: expect.stringMatching(/503: Loading model/) });
});

test("a sample that does not fit is skipped, whatever the server's words", async () => {
  for (const message of [
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
    "the request exceeds the available context size, try increasing it",
    "Input length 9000 exceeds max_model_len 8192",
  ]) {
    const server = await scriptedServer(
      withModel((_, response) => json(response, 400, { error: { message } })),
    );
    const backend = await open(server.url, { api: "chat" });
    await expect(backend.generate(REQUEST)).rejects.toMatchObject({
      name: "SampleFailure",
      kind: "too_long",
    });
    await backend.close();
  }
});

test("a request that the server does not understand ends the run", async () => {
  const server = await scriptedServer(
    withModel((_, response) => json(response, 422, { error: { message: "top_p must be below 1" } })),
  );
  const backend = await open(server.url, { api: "chat" });
  await expect(backend.generate(REQUEST)).rejects.toMatchObject({
    exitCode: 64,
    message: expect.stringMatching(/top_p must be below 1/),
  });
  await expect(backend.generate(REQUEST)).rejects.toMatchObject({ exitCode: 64 });
  await backend.close();
});

test("endless events, bytes that are no text, control characters in messages", async () => {
  const cases: readonly [Script, RegExp][] = [
    [(_, response) => stream(response, ["data: ", new Uint8Array(17 * 2 ** 20).fill(0x61)]), /endless/],
    [(_, response) => stream(response, ["data: ", Uint8Array.of(0xff, 0xfe, 0xfd), "\n\n"]), /not UTF-8/],
    [(_, response) => json(response, 500, { error: { message: "\u001b[2Jgone" } }), /^500: .\[2Jgone$/],
  ];
  for (const [script, message] of cases) {
    const server = await scriptedServer(withModel(script));
    const backend = await open(server.url, {
      api: "chat",
      rules: { baseMs: 1, capMs: 1, tries: 2, identical: 2 },
    });
    const { error } = await shown(backend.generate(REQUEST));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\u001b");
    await backend.close();
  }
  // Names are in every record: they are cut before, or a log of them could not be read again.
  const long = `\u001b[2J${"x".repeat(2 ** 20)}`;
  const server = await scriptedServer(
    withModel((_, response) =>
      json(response, 200, {
        ...{ model: long, system_fingerprint: long },
        choices: [{ message: { content: "4" }, finish_reason: "stop" }],
      }),
    ),
  );
  const backend = await open(server.url, { api: "chat" });
  const generation = JSON.stringify(await backend.generate(REQUEST));
  expect(generation.length).toBeLessThan(2000);
  expect(generation).not.toContain("\\u001b");
  await backend.close();
});

test("a server that asks to wait for a day gives the run back to its scheduler", async () => {
  const server = await scriptedServer(
    withModel((_, response) => json(response, 429, { error: "later" }, { "retry-after": "86400" })),
  );
  const backend = await open(server.url, { api: "chat" });
  await expect(backend.generate(REQUEST)).rejects.toMatchObject({
    exitCode: 75,
    message: expect.stringMatching(/wait for 24 h 00 min/),
  });
  await backend.close();
});

test("an interrupt ends waiting and running samples with its own error", async () => {
  const server = await scriptedServer(
    withModel((_, response) => void response.writeHead(200).flushHeaders()),
  );
  const backend = await open(server.url, { api: "chat", concurrency: 1 });
  const controller = new AbortController();
  const samples = [1, 2, 3].map(() => backend.generate(REQUEST, { signal: controller.signal }));
  const outcomes = Promise.allSettled(samples);
  await expect.poll(() => server.requests.filter(({ body }) => body.model === "m").length).toBe(1);
  controller.abort(new V4Error("interrupted", { what: "interrupted" }));
  for (const outcome of await outcomes)
    expect((outcome as PromiseRejectedResult).reason).toMatchObject({ exitCode: 130 });
  await backend.close();
});
