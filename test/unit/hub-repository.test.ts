import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { listRepository } from "../../tools/hub/repository.ts";
import { clientFor, refusalOf, serve, TOKEN } from "../support/http.ts";
import { scratchFolder } from "../support/scratch.ts";
import { COMMIT, GIT_SHA1, lfs, plain, SHA256, tinyHub } from "../support/tiny-hub.ts";

test("a repository is listed at its commit, page by page, with the token", async () => {
  const { hub, client } = await tinyHub([
    [plain("config.json"), { type: "directory", path: "encoding", size: 0, oid: GIT_SHA1 }],
    [lfs("model-00001.safetensors"), plain("encoding/a b#.py", 0), plain("__proto__")],
  ]);
  const repository = await listRepository(client, "org/name", { revision: "refs/pr/1" });
  const resolve = `${hub.url}/org/name/resolve/${COMMIT}`;
  expect(repository).toEqual({
    id: "org/name",
    name: "name",
    revision: "refs/pr/1",
    commit: COMMIT,
    location: `${hub.url}/org/name/tree/${COMMIT}`,
    files: [
      { name: "__proto__", byteLength: 10, url: `${resolve}/__proto__`, gitSha1: GIT_SHA1 },
      { name: "config.json", byteLength: 10, url: `${resolve}/config.json`, gitSha1: GIT_SHA1 },
      { name: "encoding/a b#.py", byteLength: 0, url: `${resolve}/encoding/a%20b%23.py`, gitSha1: GIT_SHA1 },
      {
        name: "model-00001.safetensors",
        byteLength: 1000,
        url: `${resolve}/model-00001.safetensors`,
        sha256: SHA256,
      },
    ],
  });
  expect(hub.seen[0].path).toMatch(/^\/api\/models\/org\/name\/revision\/refs%2Fpr%2F1\?/);
  expect(hub.seen.slice(1).every(({ path }) => path.includes(`/tree/${COMMIT}`))).toBe(true);
  expect(hub.seen.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill(`Bearer ${TOKEN}`));
});

test("a dataset is listed and fetched under its own addresses", async () => {
  const { hub, client } = await tinyHub([[lfs("2needle/2needle_0.parquet")]]);
  const { files, ...repository } = await listRepository(client, "datasets/org/name");
  expect(repository).toEqual({
    id: "datasets/org/name",
    name: "name",
    revision: "main",
    commit: COMMIT,
    location: `${hub.url}/datasets/org/name/tree/${COMMIT}`,
  });
  expect(files[0].url).toBe(`${hub.url}/datasets/org/name/resolve/${COMMIT}/2needle/2needle_0.parquet`);
  expect(hub.seen.map(({ path }) => path.replace(/\?.*/, ""))).toEqual([
    "/api/datasets/org/name/revision/main",
    `/api/datasets/org/name/tree/${COMMIT}`,
  ]);
  for (const id of ["datasets/name", "datasets/a/b/c", "spaces/org/name"])
    expect(await refusalOf(listRepository(client, id))).toMatchObject({ kind: "usage" });
});

test("a page that fails is asked for again, the others are not", async () => {
  const { hub, client } = await tinyHub([[plain("a")], [plain("b")], [plain("c")]], {
    fails: (count) => (count === 3 ? 500 : count === 4 ? 429 : undefined),
  });
  const lines: string[] = [];
  const { files } = await listRepository(client, "org/name", {
    baseMs: 0,
    onRetry: (line) => lines.push(line),
  });
  expect(files.map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(hub.seen).toHaveLength(6);
  expect(lines).toHaveLength(2);
});

test("a page on another host is read without the token", async () => {
  const other = await serve((_, response) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify([plain("b")])),
  );
  const hub = await serve((request, response) => {
    response.setHeader("content-type", "application/json");
    if (request.url?.includes("/revision/")) return response.end(JSON.stringify({ sha: COMMIT }));
    response.setHeader("link", `<${other.url}/api/models/org/name/tree/x>; rel="next"`);
    return response.end(JSON.stringify([plain("a")]));
  });
  const { files } = await listRepository(clientFor(hub.url), "org/name");
  expect(files.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(JSON.stringify(other.seen)).not.toContain(TOKEN);
});

test("gated, missing and unknown revisions are refused at once", async () => {
  for (const [status, code, kind, line] of [
    [403, "GatedRepo", "permission", /accept the licence at https:\/\/huggingface\.co\/org\/name$/],
    [404, "RepoNotFound", "input", /no such repository: org\/name/],
    [404, "RevisionNotFound", "input", /no such revision/],
  ] as const) {
    const hub = await serve((_, response) => response.writeHead(status, { "x-error-code": code }).end());
    const error = await refusalOf(listRepository(clientFor(hub.url), "org/name"));
    expect(error).toMatchObject({ kind });
    expect(error.message).toMatch(line);
    expect(hub.seen).toHaveLength(1);
    const ofDataset = await refusalOf(listRepository(clientFor(hub.url), "datasets/org/name"));
    if (code !== "RevisionNotFound") expect(ofDataset.message).toContain("datasets/org/name");
  }
});

test("a mirror has the bytes, the Hub says what they must be", async () => {
  const { client } = await tinyHub([[lfs("a b.safetensors")]]);
  for (const mirror of ["https://mirror.example.org/v4/", "file:///mnt/v4"]) {
    const { files, commit } = await listRepository(client, "org/name", { mirror });
    expect(commit).toBe(COMMIT);
    expect(files).toEqual([
      {
        name: "a b.safetensors",
        byteLength: 1000,
        url: `${mirror.replace(/\/$/, "")}/a%20b.safetensors`,
        sha256: SHA256,
      },
    ]);
  }
  const mirrorOfFolder = listRepository(client, "file:///a", { mirror: "file:///b" });
  expect(await refusalOf(mirrorOfFolder)).toMatchObject({ kind: "usage" });
  const path = await refusalOf(listRepository(client, "org/name", { mirror: "/mnt/v4" }));
  expect(path).toMatchObject({ kind: "usage" });
});

const INDEX = JSON.stringify({
  weight_map: { a: "s-1.safetensors", b: "s-2.safetensors", c: "s-1.safetensors" },
});
const FOLDER: Readonly<Record<string, string>> = {
  "config.json": "{}",
  "model.safetensors.index.json": INDEX,
  "s-1.safetensors": "1",
  "s-2.safetensors": "22",
  "encoding/encoding_dsv4.py": "",
  LICENSE: "MIT",
  SHA256SUMS: `${SHA256}  s-1.safetensors\n${SHA256.toUpperCase()} *./s-2.safetensors\n`,
  "not-known.bin": "x",
};
const NAMES = [
  "LICENSE",
  "config.json",
  "encoding/encoding_dsv4.py",
  "model.safetensors.index.json",
  "s-1.safetensors",
  "s-2.safetensors",
];

/** A web server for a folder, with what servers do differently. */
const webServer = (files: Readonly<Record<string, string>>, mode: "plain" | "no HEAD" | "bucket") =>
  serve((request, response) => {
    const name = decodeURIComponent(request.url ?? "").replace("/v4/", "");
    if (mode === "no HEAD" && request.method === "HEAD") return response.writeHead(405).end();
    if (!Object.hasOwn(files, name)) return response.writeHead(mode === "bucket" ? 403 : 404).end();
    const body = files[name];
    if (request.headers.range === undefined || mode === "plain" || body === "")
      return response.writeHead(200, { "content-length": body.length }).end(body);
    return response.writeHead(206, { "content-range": `bytes 0-0/${body.length}` }).end(body[0]);
  });

test.each(["plain", "no HEAD", "bucket"] as const)("a plain folder on a web server (%s)", async (mode) => {
  const host = await webServer(FOLDER, mode);
  const repository = await listRepository(clientFor("http://127.0.0.1:1"), `${host.url}/v4`);
  expect(repository).toMatchObject({ name: "v4", location: `${host.url}/v4/` });
  expect(repository).not.toHaveProperty("commit");
  expect(repository.files.map(({ name }) => name)).toEqual(NAMES);
  expect(repository.files[5]).toEqual({
    name: "s-2.safetensors",
    byteLength: 2,
    url: `${host.url}/v4/s-2.safetensors`,
    sha256: SHA256,
  });
  expect(repository.files[1]).not.toHaveProperty("sha256");
  expect(JSON.stringify(host.seen)).not.toContain(TOKEN);
});

test("a plain folder on this machine", async () => {
  const folder = join(scratchFolder(), "my model");
  mkdirSync(join(folder, "encoding"), { recursive: true });
  for (const [name, text] of Object.entries(FOLDER)) writeFileSync(join(folder, name), text);
  const client = clientFor("http://127.0.0.1:1", { offline: true });
  const repository = await listRepository(client, pathToFileURL(folder).href);
  expect(repository.name).toBe("my-model");
  expect(repository.files.map(({ name, byteLength }) => [name, byteLength])).toEqual(
    NAMES.map((name) => [name, FOLDER[name].length]),
  );
  const single = scratchFolder();
  for (const name of ["config.json", "model.safetensors"]) writeFileSync(join(single, name), "{}");
  const { files } = await listRepository(client, pathToFileURL(single).href);
  expect(files.map(({ name }) => name)).toEqual(["config.json", "model.safetensors"]);
});

test("a plain folder that lacks something, or says something false", async () => {
  const without = (name: string): Record<string, string> =>
    Object.fromEntries(Object.entries(FOLDER).filter(([key]) => key !== name));
  for (const [files, kind, line] of [
    [without("config.json"), "input", /no config\.json there/],
    [without("s-2.safetensors"), "input", /no s-2\.safetensors there/],
    [without("model.safetensors.index.json"), "input", /no model\.safetensors there/],
    [{ ...FOLDER, SHA256SUMS: "<html>" }, "data", /not a line of sha256sum/],
    [{ ...FOLDER, "model.safetensors.index.json": '{"weight_map":{"a":"../x"}}' }, "data", /a way up/],
    [{ ...FOLDER, "model.safetensors.index.json": "[]" }, "data", /no weight_map/],
  ] as const) {
    const host = await webServer(files, "plain");
    const error = await refusalOf(listRepository(clientFor("http://127.0.0.1:1"), `${host.url}/v4/`));
    expect(error).toMatchObject({ kind });
    expect(error.message).toMatch(line);
  }
  const withPassword = listRepository(clientFor("http://127.0.0.1:1"), `https://user:${TOKEN}@host/`);
  expect(await refusalOf(withPassword)).toMatchObject({ kind: "usage" });
  const signed = listRepository(clientFor("http://127.0.0.1:1"), `https://host/a?sig=${TOKEN}`);
  expect(await refusalOf(signed)).toMatchObject({ kind: "usage" });
});
