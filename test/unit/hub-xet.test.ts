import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { RangeFetcher } from "../../tools/hub/fetch-range.ts";
import { listRepository, type RemoteFile } from "../../tools/hub/repository.ts";
import { xetRanges } from "../../tools/hub/xet.ts";
import { HUB_TOKENS, type HubFaults } from "../fixtures/hub-server/protocol.ts";
import { clientFor } from "../support/http.ts";
import { startHub } from "../support/hub.ts";
import { scratchFolder, seededRandom } from "../support/scratch.ts";

const WEIGHTS = "model.safetensors";
const OTHER = "other.safetensors";
const CONFIG = "config.json";
const folder = join(scratchFolder(), "repository");
mkdirSync(folder);
const bytes = weightsOf(3_000_000);
writeFileSync(join(folder, WEIGHTS), bytes);
writeFileSync(join(folder, OTHER), bytes.subarray(0, 5000));
writeFileSync(join(folder, CONFIG), "{}\n");
const ID = "org/chunked";
const hub = await startHub({ [ID]: { folder, private: true, xet: [WEIGHTS] } });
afterEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

/** What does not pack, text, numbers of four bytes, and the same again: a chunk of every scheme, and some used twice. */
function weightsOf(byteLength: number): Buffer {
  const random = seededRandom(3);
  const noise = Buffer.from(Array.from({ length: 600_000 }, () => 256 * random()));
  const text = Buffer.from("a word in a row ".repeat(20_000));
  const floats = Buffer.from(new Float32Array(150_000).map(() => 1 + random() / 1000).buffer);
  // What repeats does so at the beginning of a chunk: seven of them are 420,012 bytes.
  const beginning = Buffer.concat([noise, text]).subarray(0, 2 * 420_012);
  const parts = [beginning, beginning, floats, Buffer.alloc(900_000)];
  return Buffer.concat(parts).subarray(0, byteLength);
}

async function opened(token: string = HUB_TOKENS.member) {
  const client = clientFor(hub.url, { token });
  const repository = await listRepository(client, ID);
  const fileOf = (name: string) => repository.files.find((file) => file.name === name) as RemoteFile;
  return { fetchBytes: xetRanges(client, repository), fileOf, weights: fileOf(WEIGHTS) };
}

/** One attempt; what came before a failure is kept. */
async function attempt(
  fetchBytes: RangeFetcher,
  file: RemoteFile,
  { start, end, signal }: { start: number; end: number; signal?: AbortSignal },
) {
  const got = Buffer.alloc(end - start);
  let position = start;
  const error = await fetchBytes(file, { start, end, ...(signal && { signal }) }, (part, at) => {
    expect(at).toBe(position);
    got.set(part, at - start);
    position += part.length;
  }).then(
    () => undefined,
    (reason: Error & { kind?: string; facts?: { retryable: boolean } }) => reason,
  );
  if (error) {
    const all = `${error.stack} ${JSON.stringify(error)} ${(error.cause as Error | undefined)?.stack}`;
    expect(all).not.toMatch(/hf_member|cas_[0-9a-f]|Signature/);
  }
  return { got: got.subarray(0, position - start), error };
}

const rules = (...list: HubFaults["rules"]): Promise<void> => hub.control({ rules: list, seed: 5 });
const XORBS = "^cdn GET /xorbs";

test("ranges of any place and length are those of the file, whatever its chunks look like", async () => {
  const { fetchBytes, weights } = await opened();
  expect(weights.xetHash).toMatch(/^[0-9a-f]{64}$/);
  const random = seededRandom(8);
  const spans = [
    { start: 0, end: bytes.length },
    { start: 0, end: 1 },
    { start: bytes.length - 1, end: bytes.length },
    { start: 7, end: 7 },
    ...Array.from({ length: 12 }, () => {
      const [a, b] = [random(), random()].map((share) => Math.floor(share * bytes.length));
      return { start: Math.min(a, b), end: Math.max(a, b) };
    }),
  ];
  for (const span of spans) {
    const { got, error } = await attempt(fetchBytes, weights, span);
    expect(error).toBeUndefined();
    expect(got.equals(bytes.subarray(span.start, span.end))).toBe(true);
  }
  const log = await hub.log();
  const asked = log.filter(({ origin }) => origin === "cdn").map(({ range }) => range);
  expect(asked.some((range) => range?.includes(","))).toBe(true);
  expect(asked.some((range) => !range?.includes(","))).toBe(true);
  // Packed and shared chunks: less comes than the file has.
  const whole = log.slice(
    0,
    log.findLastIndex(({ range }) => range === "bytes=0-0"),
  );
  expect(whole.reduce((sum, { bytesSent }) => sum + bytesSent, 0)).toBeLessThan(bytes.length);
});

test("every token goes where it belongs, and one serves many ranges", async () => {
  const { fetchBytes, weights } = await opened();
  for (const start of [0, 1_000_000, 2_000_000])
    await attempt(fetchBytes, weights, { start, end: start + 9 });
  const log = await hub.log();
  const logins = new Set(log.map(({ origin, login = "none" }) => `${origin} ${login}`));
  expect([...logins].sort()).toEqual(["cas cas", "cdn none", "hub hub"]);
  expect(log.filter(({ path }) => path.includes("xet-read-token"))).toHaveLength(1);
  expect(log.filter(({ origin }) => origin === "cas")).toHaveLength(3);
});

test("a cut is a failure that may pass, and what came before it is good", async () => {
  const { fetchBytes, weights } = await opened();
  for (const fault of [
    { kind: "cut", atByte: 200_000 },
    { kind: "cut", atByte: 0 },
  ] as const) {
    await rules({ on: XORBS, fault, count: 1 });
    const { got, error } = await attempt(fetchBytes, weights, { start: 0, end: 500_000 });
    expect(error).toMatchObject({ kind: "temporary", facts: { retryable: true } });
    expect(got.equals(bytes.subarray(0, got.length))).toBe(true);
    const rest = await attempt(fetchBytes, weights, { start: got.length, end: 500_000 });
    expect(Buffer.concat([got, rest.got]).equals(bytes.subarray(0, 500_000))).toBe(true);
  }
});

test("whole xorbs in place of ranges are refused; a packed chunk with a flipped bit is not what it was", async () => {
  const { fetchBytes, weights } = await opened();
  const span = { start: 2_400_000 - 300_000, end: 2_400_000 };
  await rules({ on: XORBS, fault: { kind: "whole" } });
  const { got, error } = await attempt(fetchBytes, weights, span);
  expect(error).toMatchObject({ kind: "data", facts: { retryable: true } });
  expect(got.equals(bytes.subarray(span.start, span.start + got.length))).toBe(true);
  // What comes of a flipped bit in a packed chunk depends on the bit; it is never taken for right.
  await rules({ on: XORBS, fault: { kind: "flip", byte: 1_800_001 } });
  const packed = await attempt(fetchBytes, weights, { start: 1_700_000, end: 2_000_000 });
  expect(packed.error ? "refused" : packed.got.equals(bytes.subarray(1_700_000, 2_000_000))).not.toBe(true);
});

test("links and tokens that have expired are asked for anew", async () => {
  const { fetchBytes, weights } = await opened();
  const span = { start: 0, end: 1_500_000 };
  await rules({ on: XORBS, fault: { kind: "status", status: 403 }, count: 1 });
  const relinked = await attempt(fetchBytes, weights, span);
  expect(relinked.error).toBeUndefined();
  expect(relinked.got.equals(bytes.subarray(0, span.end))).toBe(true);
  expect((await hub.log()).filter(({ origin }) => origin === "cas")).toHaveLength(2);
  await hub.clearLog();
  await rules({ on: "^cas", fault: { kind: "echo", status: 401 }, count: 1 });
  const refused = await attempt(fetchBytes, weights, span);
  expect(refused.error).toMatchObject({ kind: "permission", facts: { retryable: true } });
  expect((await attempt(fetchBytes, weights, span)).error).toBeUndefined();
  expect((await hub.log()).filter(({ path }) => path.includes("xet-read-token"))).toHaveLength(1);
  await rules({ on: XORBS, fault: { kind: "echo", status: 403 } });
  const never = await attempt(fetchBytes, weights, span);
  expect(never.error).toMatchObject({ facts: { retryable: true } });
});

test("who may not read gets no token, and what the storage does not have comes from the Hub", async () => {
  const { fetchBytes, fileOf } = await opened();
  for (const name of [OTHER, CONFIG]) {
    const { byteLength } = fileOf(name);
    expect((await attempt(fetchBytes, fileOf(name), { start: 0, end: byteLength })).error).toBeUndefined();
  }
  expect((await hub.log()).some(({ path }) => /xet|reconstructions|xorbs/.test(path))).toBe(false);
  const client = clientFor(hub.url, { token: HUB_TOKENS.stranger });
  const stranger = xetRanges(client, { ...(await repositoryFacts()), files: [] });
  const { error } = await attempt(stranger, fileOf(WEIGHTS), { start: 0, end: 10 });
  expect(error).toMatchObject({ kind: "input", facts: { retryable: false } });
});

const repositoryFacts = async () => listRepository(clientFor(hub.url, { token: HUB_TOKENS.member }), ID);

test("an abort ends an attempt, a sink's error comes through, and neither leaves a request open", async () => {
  const { fetchBytes, weights } = await opened();
  await rules({ on: XORBS, fault: { kind: "stall", atByte: 300_000 } });
  const controller = new AbortController();
  const stop = setInterval(async () => {
    const isStalled = (await hub.log()).some(({ path, bytesSent }) => /xorbs/.test(path) && bytesSent > 0);
    if (isStalled) controller.abort(new Error("enough"));
  }, 20);
  const span = { start: 0, end: bytes.length };
  const { error } = await attempt(fetchBytes, weights, { ...span, signal: controller.signal });
  clearInterval(stop);
  expect(error?.message).toBe("enough");
  await rules();
  const full = new Error("the disk is full");
  await expect(
    fetchBytes(weights, span, () => {
      throw full;
    }),
  ).rejects.toBe(full);
  await expect.poll(async () => (await hub.log()).every(({ finished }) => finished)).toBe(true);
});
