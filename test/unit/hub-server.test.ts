import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listFiles, modelInfo } from "@huggingface/hub";
import { ProxyAgent, request } from "undici";
import { beforeEach, expect, test } from "vitest";
import { HUB_TOKENS } from "../fixtures/hub-server/protocol.ts";
import { startHub } from "../support/hub.ts";
import { scratchFolder } from "../support/scratch.ts";

const WEIGHTS = "part/model.safetensors";
const folder = join(scratchFolder(), "repository");
mkdirSync(join(folder, "part"), { recursive: true });
writeFileSync(join(folder, "config.json"), '{"a": 1}\n');
writeFileSync(join(folder, "small.safetensors"), "too small for LFS");
const weights = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
writeFileSync(join(folder, WEIGHTS), weights);

const BIG = 3 * 2 ** 30;
const hub = await startHub({
  "org/open": { folder, revisions: { "v1.0": folder, "refs/pr/1": join(folder, "part") } },
  "org/gated": { folder, gated: true },
  "org/private": { folder, private: true },
  "org/big": { folder, virtual: { "big.safetensors": { byteLength: BIG, sha256: "00" } } },
});
beforeEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

const get = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Response> =>
  fetch(path.startsWith("http") ? path : hub.url + path, { headers, ...init });
const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const RESOLVE = `/org/open/resolve/main/${WEIGHTS}`;

async function listing(params: {
  readonly revision?: string;
  readonly recursive?: boolean;
  readonly path?: string;
}) {
  const entries = [];
  for await (const entry of listFiles({ repo: "org/open", hubUrl: hub.url, ...params })) entries.push(entry);
  return entries;
}

test("the library's modelInfo and listFiles read it, page by page", async () => {
  await hub.control({ pageSize: 2 });
  const info = await modelInfo({ name: "org/open", hubUrl: hub.url, additionalFields: ["sha"] });
  expect(info).toMatchObject({ name: "org/open", gated: false, private: false });
  expect(info.sha).toMatch(/^[0-9a-f]{40}$/);
  const entries = await listing({ recursive: true });
  // `printf '{"a": 1}\n' | git hash-object --stdin`, and that of an LFS pointer with the file's hash.
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(weights)}\nsize 100000\n`;
  const gitHash = (text: string): string =>
    createHash("sha1").update(`blob ${text.length}\0${text}`).digest("hex");
  expect(entries).toEqual([
    { type: "file", path: "config.json", size: 9, oid: gitHash('{"a": 1}\n') },
    expect.objectContaining({ type: "directory", path: "part" }),
    {
      type: "file",
      path: WEIGHTS,
      size: 100_000,
      oid: gitHash(pointer),
      lfs: { oid: sha256(weights), size: 100_000, pointerSize: pointer.length },
    },
    expect.objectContaining({ type: "file", path: "small.safetensors" }),
  ]);
  expect((await hub.log()).filter(({ path }) => path.includes("/tree/"))).toHaveLength(2);
  expect((await listing({ revision: "refs/pr/1" })).map(({ path }) => path)).toEqual(["model.safetensors"]);
  expect((await listing({ path: "part" })).map(({ path }) => path)).toEqual([WEIGHTS]);
});

test("revisions of the same content are one commit; a branch can move", async () => {
  const shaOf = async (revision: string): Promise<string> => {
    const response = await get(`/api/models/org/open/revision/${encodeURIComponent(revision)}`);
    return ((await response.json()) as { sha: string }).sha;
  };
  const main = await shaOf("main");
  expect(await shaOf("v1.0")).toBe(main);
  expect(await shaOf(main)).toBe(main);
  expect(await shaOf(main.slice(0, 8))).toBe(main);
  const pull = await shaOf("refs/pr/1");
  expect(pull).not.toBe(main);
  await hub.control({ heads: { "org/open@main": "refs/pr/1" } });
  expect(await shaOf("main")).toBe(pull);
});

test("small files come at once, files in LFS from another origin by signed URLs", async () => {
  const small = await get("/org/open/resolve/main/config.json");
  expect(small.headers.get("x-repo-commit")).toMatch(/^[0-9a-f]{40}$/);
  expect(small.headers.get("etag")).toMatch(/^"[0-9a-f]{40}"$/);
  expect(await small.text()).toBe('{"a": 1}\n');
  const redirect = await get(RESOLVE, bearer(HUB_TOKENS.member), { redirect: "manual", method: "HEAD" });
  expect(redirect.status).toBe(302);
  expect(redirect.headers.get("x-linked-etag")).toBe(`"${sha256(weights)}"`);
  expect(redirect.headers.get("x-linked-size")).toBe("100000");
  const location = redirect.headers.get("location") as string;
  expect(new URL(location).origin).toBe(hub.cdnUrl);
  const part = await get(location, { range: "bytes=10-19" });
  expect([part.status, part.headers.get("content-range")]).toEqual([206, "bytes 10-19/100000"]);
  expect(await bytesOf(part)).toEqual(weights.subarray(10, 20));
  const suffix = await get(location, { range: "bytes=-5" });
  expect(await bytesOf(suffix)).toEqual(weights.subarray(-5));
  const beyond = await get(location, { range: "bytes=100000-" });
  expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, "bytes */100000"]);
  expect((await get(location.replace("Signature=", "Signature=x"))).status).toBe(403);
  expect(await hub.bytesSent(WEIGHTS)).toBe(15);
  expect((await hub.log()).map(({ origin, authorized }) => `${origin} ${authorized}`)).toContain("hub true");
});

test("small files by a relative redirect, and compressed for clients that take it", async () => {
  await hub.control({ resolveCache: true, rules: [{ fault: { kind: "gzip" } }] });
  const path = "/org/open/resolve/v1.0/config.json";
  const redirect = await get(path, {}, { redirect: "manual" });
  expect(redirect.status).toBe(307);
  expect(redirect.headers.get("location")).toMatch(
    /^\/api\/resolve-cache\/models\/org\/open\/[0-9a-f]{40}\/config.json$/,
  );
  const packed = await get(path, { "accept-encoding": "gzip" });
  expect(packed.headers.get("etag")).toMatch(/^W\/"[0-9a-f]{40}"$/);
  expect([packed.headers.get("content-length"), packed.headers.get("content-encoding")]).toEqual([
    null,
    "gzip",
  ]);
  expect(await packed.text()).toBe('{"a": 1}\n');
  expect((await get(path, { "accept-encoding": "identity" })).headers.get("content-length")).toBe("9");
});

test("the proxy passes requests on, and says which", async () => {
  const client = new ProxyAgent({ uri: hub.proxyUrl, proxyTunnel: false });
  const tunnel = new ProxyAgent({ uri: hub.proxyUrl, proxyTunnel: true });
  for (const dispatcher of [client, tunnel]) {
    const { statusCode, body } = await request(`${hub.url}/api/models/org/open`, { dispatcher });
    expect([statusCode, await body.json()]).toEqual([200, expect.objectContaining({ id: "org/open" })]);
    await dispatcher.close();
  }
  const passed = (await hub.log()).filter(({ origin }) => origin === "proxy");
  expect(passed.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `GET ${hub.url}/api/models/org/open`,
    `CONNECT ${new URL(hub.url).host}`,
  ]);
});

test("the rate holds over all connections together", async () => {
  await hub.control({ bytesPerSecond: 2_000_000 });
  const startedMs = performance.now();
  await Promise.all([1, 2, 3, 4].map(() => get(RESOLVE).then(bytesOf)));
  // 400,000 bytes take 200 ms, less what may go out in a burst; how much longer depends on the machine.
  expect(performance.now() - startedMs).toBeGreaterThan(140);
});

test("who may not read is told so as the Hub tells it", async () => {
  const facts = async (path: string, token?: string) => {
    const response = await get(path, token ? bearer(token) : {});
    return [response.status, response.headers.get("x-error-code")];
  };
  const file = "resolve/main/config.json";
  expect(await facts(`/org/gated/${file}`)).toEqual([401, "GatedRepo"]);
  expect(await facts(`/org/gated/${file}`, HUB_TOKENS.stranger)).toEqual([403, "GatedRepo"]);
  expect(await facts(`/org/gated/${file}`, HUB_TOKENS.member)).toEqual([200, null]);
  expect(await facts(`/org/private/${file}`)).toEqual([401, null]);
  expect(await facts(`/org/private/${file}`, HUB_TOKENS.stranger)).toEqual([404, "RepoNotFound"]);
  expect(await facts("/api/models/org/none")).toEqual([401, null]);
  expect(await facts("/api/models/org/none", HUB_TOKENS.stranger)).toEqual([404, "RepoNotFound"]);
  expect(await facts("/api/models/org/open", "nobody's")).toEqual([401, null]);
  expect(await facts("/api/models/org/open/tree/v9")).toEqual([404, "RevisionNotFound"]);
  expect(await facts("/org/open/resolve/main/none")).toEqual([404, "EntryNotFound"]);
  expect(await facts("/api/models/org/gated/tree/main")).toEqual([200, null]);
});

test("faults do what they say, so often and in such places as they say", async () => {
  const rules = async (...list: Parameters<typeof hub.control>[0]["rules"] & object) =>
    hub.control({ rules: list, seed: 7 });
  const part = { range: "bytes=1000-1999" };
  const on = "^cdn GET";
  await rules({ fault: { kind: "status", status: 429, retryAfter: 3 }, count: 1 });
  expect((await get(RESOLVE)).headers.get("retry-after")).toBe("3");
  expect((await get(RESOLVE)).status).toBe(200);
  await rules({ on, fault: { kind: "cut" } });
  await expect(get(RESOLVE).then(bytesOf)).rejects.toThrow();
  await rules({ on, fault: { kind: "shift", bytes: 5, admitted: false } });
  const shifted = await get(RESOLVE, part);
  expect(shifted.headers.get("content-range")).toBe("bytes 1000-1999/100000");
  expect(await bytesOf(shifted)).toEqual(weights.subarray(1005, 2005));
  await rules({ on, fault: { kind: "whole" } });
  expect((await get(RESOLVE, part)).status).toBe(200);
  await rules({ on, fault: { kind: "total", add: 1 } });
  expect((await get(RESOLVE, part)).headers.get("content-range")).toBe("bytes 1000-1999/100001");
  await rules({ on, fault: { kind: "length", add: 1 } });
  await expect(get(RESOLVE, part).then(bytesOf)).rejects.toThrow();
  await rules({ on, fault: { kind: "flip", byte: 1500 }, count: 1 });
  expect(await bytesOf(await get(RESOLVE, { range: "bytes=0-999" }))).toEqual(weights.subarray(0, 1000));
  const flipped = await bytesOf(await get(RESOLVE, part));
  expect(flipped[500]).toBe(weights[1500] ^ 1);
  expect(await bytesOf(await get(RESOLVE, part))).toEqual(weights.subarray(1000, 2000));
  await rules({ on: "^hub GET .*safetensors", fault: { kind: "third-host" } });
  expect(
    new URL((await get(RESOLVE, {}, { redirect: "manual" })).headers.get("location") as string).origin,
  ).toBe(hub.thirdUrl);
  await rules({ fault: { kind: "echo", status: 403 } });
  expect(await (await get(RESOLVE, bearer("secret"))).text()).toContain("secret");
  await rules({ on, fault: { kind: "stall", atByte: 100 } });
  const stalled = (await get(RESOLVE, part)).body!.getReader();
  expect((await stalled.read()).value).toHaveLength(100);
  await stalled.cancel();
  await rules({ on, fault: { kind: "change" }, after: 1, count: 1 });
  const before = await get(RESOLVE, part);
  const after = await get(RESOLVE, part);
  expect(after.headers.get("etag")).not.toBe(before.headers.get("etag"));
  expect(await bytesOf(after)).not.toEqual(await bytesOf(before));
});

test("signed URLs expire by what they carried", async () => {
  await hub.control({ signedForBytes: 1000 });
  const location = (await get(RESOLVE, {}, { redirect: "manual" })).headers.get("location") as string;
  expect((await get(location, { range: "bytes=0-999" }).then(bytesOf)).length).toBe(1000);
  const late = await get(location, { range: "bytes=1000-1999" });
  expect([late.status, await late.text()]).toEqual([403, expect.stringContaining("expired")]);
});

test("a virtual file of any size has its own bytes at each block, without a disk", async () => {
  const read = async (range: string): Promise<Buffer> =>
    bytesOf(await get("/org/big/resolve/main/big.safetensors", { range: `bytes=${range}` }));
  const first = await read(`${2 ** 30}-${2 ** 30 + 2 ** 20 + 99}`);
  expect(first.readBigUInt64LE(0)).toBe(1024n);
  expect(first.subarray(2 ** 20 + 8)).toEqual(first.subarray(8, 100));
  expect(await read(`${2 ** 30 + 5}-${2 ** 30 + 20}`)).toEqual(first.subarray(5, 21));
  expect((await read(`${BIG - 3}-`)).length).toBe(3);
});

test.skipIf(process.platform !== "linux")(
  "what a client has not read is told from what was sent",
  async () => {
    const { body } = await request(`${hub.plainUrl("org/big")}/big.safetensors`);
    const reader = body[Symbol.asyncIterator]();
    expect((await reader.next()).value.length).toBeGreaterThan(0);
    let waiting = { bytesSent: 0, unreadBytes: 0 };
    // Until the kernel's buffers are full.
    for (
      let before = -1;
      before < waiting.bytesSent;
      await new Promise((resolve) => setTimeout(resolve, 100))
    ) {
      before = waiting.bytesSent;
      waiting = await hub.traffic();
    }
    expect(waiting.unreadBytes).toBeGreaterThan(waiting.bytesSent / 4);
    expect(waiting.unreadBytes).toBeLessThan(waiting.bytesSent + 2 ** 20);
    body.destroy();
  },
);

test("a plain folder has ranges, an ETag of its own, and nothing of a hub", async () => {
  const response = await get(`${hub.plainUrl("org/open")}/${WEIGHTS}`, { range: "bytes=1-2" });
  expect(response.headers.get("x-repo-commit")).toBeNull();
  expect(response.headers.get("etag")).toMatch(/^"[0-9a-f]+-186a0"$/);
  expect(await bytesOf(response)).toEqual(weights.subarray(1, 3));
  expect((await get(`${hub.plainUrl("org/open")}/none`)).status).toBe(404);
});
