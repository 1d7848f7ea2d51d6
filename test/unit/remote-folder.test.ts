import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeEach, expect, test } from "vitest";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { sourceIdentity } from "../../tools/checkpoint/source-identity.ts";
import { layoutSafetensors } from "../../tools/formats/safetensors/layout.ts";
import { openHttpClient } from "../../tools/hub/http-client.ts";
import { openRemoteFolder } from "../../tools/hub/remote-folder.ts";
import type { RemoteFile } from "../../tools/hub/repository.ts";
import { hubSettings } from "../../tools/hub/settings.ts";
import { takeCensus } from "../../tools/model/census.ts";
import { parseConfig } from "../../tools/model/config.ts";
import type { StoredTensor } from "../../tools/model/stored-tensor.ts";
import { FLASH } from "../fixtures/release-configs.ts";
import { releaseHeaders } from "../support/headers.ts";

/** Flash as it is on the Hub, of which only the headers exist: the server makes up no tensor, for none may be asked for. */
const SHARDS = 46;
const config = { ...FLASH, expert_dtype: "fp4" };
const tensors = [...releaseHeaders(parseConfig(config, "config.json"), "mtp", "official").values()];
const shardName = (i: number): string =>
  `model-${String(i + 1).padStart(5, "0")}-of-000${SHARDS}.safetensors`;
const shards = Array.from({ length: SHARDS }, (_, i) => {
  const held = tensors.slice((i * tensors.length) / SHARDS, ((i + 1) * tensors.length) / SHARDS);
  const { prefix, byteLength } = shardOf(held);
  return { name: shardName(i), held, prefix, byteLength };
});
const weight_map = Object.fromEntries(
  shards.flatMap(({ name, held }) => held.map((tensor) => [tensor.name, name])),
);
const small = new Map([
  ["config.json", Buffer.from(JSON.stringify(config))],
  ["model.safetensors.index.json", Buffer.from(JSON.stringify({ metadata: {}, weight_map }))],
]);

function shardOf(held: readonly StoredTensor[]): { prefix: Uint8Array; byteLength: number } {
  const { prefix, offsets } = layoutSafetensors(held);
  const last = held.length - 1;
  return { prefix, byteLength: offsets[last] + held[last].byteLength };
}

let requests: { path: string; bytes: number }[] = [];
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const name = String(request.url).slice(1);
  const [first, last] = /bytes=(\d+)-(\d+)/.exec(String(request.headers.range))?.slice(1).map(Number) ?? [];
  const shard = shards.find((each) => each.name === name);
  const content = shard?.prefix ?? (small.get(name) as Uint8Array);
  const body = Buffer.alloc(last + 1 - first);
  body.set(content.subarray(first, last + 1));
  requests.push({ path: name, bytes: body.length });
  response
    .writeHead(206, {
      "content-range": `bytes ${first}-${last}/${shard?.byteLength ?? content.length}`,
      "content-length": body.length,
      etag: `"${name}"`,
    })
    .end(body);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const client = openHttpClient(hubSettings({ HF_ENDPOINT: url }), { env: {} });
afterAll(async () => {
  await client.close();
  server.close();
});
beforeEach(() => {
  requests = [];
});

const files: readonly RemoteFile[] = [
  ...[...small].map(([name, { length }]) => ({ name, byteLength: length, url: `${url}/${name}` })),
  ...shards.map(({ name, byteLength }, i) => ({
    name,
    byteLength,
    url: `${url}/${name}`,
    sha256: i.toString(16).padStart(64, "0"),
  })),
];
const repository = { id: "a/b", name: "b", revision: "main", location: url, files };

test("a census of Flash's 46 shards takes tens of requests and a few MB, and has the identity of a snapshot", async () => {
  const source = await openCheckpoint(openRemoteFolder(client, repository));
  const census = takeCensus(source.config, source.tensors, source.location);
  expect(census.entries.length).toBeGreaterThan(30_000);
  expect(source.tensors.size).toBe(tensors.length);
  const headerBytes = shards.reduce((sum, { prefix }) => sum + prefix.length, 0);
  const bytes = requests
    .filter(({ path }) => path.startsWith("model-"))
    .reduce((sum, each) => sum + each.bytes, 0);
  // A speculative read, and another where the header is longer than that.
  expect(requests.length).toBeLessThanOrEqual(2 * SHARDS + small.size);
  expect(bytes).toBeLessThanOrEqual(headerBytes + SHARDS * 2 ** 18);
  expect(requests.every((each) => each.bytes < 2 ** 24)).toBe(true);
  // The identity of a snapshot in the cache: names and hashes, without times.
  const facts = await source.fileFacts();
  expect(facts).toHaveLength(SHARDS);
  expect(facts[0]).toMatchObject({ name: shardName(0), sha256: "0".repeat(64) });
  expect(await sourceIdentity(source)).toContain(` ${shardName(1)}:${"1".padStart(64, "0")} `);
  await source.close();
});

test("what is not in the listing is missing, and a small file that is none is refused before it is read", async () => {
  const folder = openRemoteFolder(client, repository);
  expect(await folder.has("tokenizer.json")).toBe(false);
  expect(await folder.readOptional("tokenizer.json", 100)).toBeUndefined();
  await expect(folder.open("other")).rejects.toThrow(/other.*no such file in the repository/);
  await expect(folder.readOptional(shardName(0), 1000)).rejects.toThrow("unreasonably large");
  expect(requests).toEqual([]);
});

test("a small file is compared with the hash that the repository lists", async () => {
  const listed = { ...files[0], gitSha1: "0".repeat(40) };
  const folder = openRemoteFolder(client, { ...repository, files: [listed] });
  await expect(folder.readOptional("config.json", 2 ** 20)).rejects.toThrow(
    /config.json: the file does not have the hash that the repository lists/,
  );
});

test("a read of a shard beyond its head asks for that range alone", async () => {
  const folder = openRemoteFolder(client, repository);
  const file = await folder.open(shardName(0));
  await file.read(new Uint8Array(8), 0);
  await file.read(new Uint8Array(1000), 2 ** 18 - 500);
  await file.read(new Uint8Array(16), 0);
  expect(requests.map(({ bytes }) => bytes)).toEqual([2 ** 18, 500, 16]);
  await expect(file.read(new Uint8Array(2), file.byteLength - 1)).rejects.toThrow("the file ends too early");
});
