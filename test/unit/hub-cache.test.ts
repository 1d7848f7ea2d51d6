import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import * as promises from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { cacheDestination } from "../../tools/hub/cache.ts";
import { cachedRepository } from "../../tools/hub/cached-repository.ts";
import { type Destination, journalPath, partialPath } from "../../tools/hub/destination.ts";
import { localDestination } from "../../tools/hub/local-folder.ts";
import { renderDownloadPlan } from "../../tools/hub/render-download.ts";
import type { RemoteFile, Repository } from "../../tools/hub/repository.ts";
import { lockOutput, tryLockOutput } from "../../tools/lib/output-lock.ts";
import { scratchFolder } from "../support/scratch.ts";

vi.mock("node:fs/promises", async (original) => {
  const actual = await original<typeof promises>();
  return { ...actual, symlink: vi.fn(actual.symlink) };
});
const symlink = vi.mocked(promises.symlink);
afterEach(() => symlink.mockClear());

const scratch = scratchFolder();
let places = 0;
const fresh = (): string => join(scratch, String(places++));

const SHA256 = "ab".repeat(32);
const GIT = "cd".repeat(20);
const COMMIT = "0123456789".repeat(4);
const shard: RemoteFile = { name: "model.safetensors", byteLength: 6, url: "https://h/m", sha256: SHA256 };
const small: RemoteFile = { name: "sub/deep/config.json", byteLength: 3, url: "https://h/c", gitSha1: GIT };
const repository: Repository = {
  id: "org/name",
  name: "name",
  revision: "main",
  commit: COMMIT,
  location: "https://h/org/name",
  files: [shard, small],
};

/** Fetches a file without a network. */
async function bring(destination: Destination, file: RemoteFile): Promise<void> {
  await destination.prepare(file);
  const unfinished = destination.unfinished(file);
  writeFileSync(partialPath(unfinished), "x".repeat(file.byteLength));
  writeFileSync(journalPath(unfinished), "");
  await destination.adopt(file, partialPath(unfinished));
}

function tree(folder: string, prefix = ""): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return tree(path, `${prefix}${entry.name}/`);
      return [`${prefix}${entry.name}${entry.isSymbolicLink() ? ` -> ${readlinkSync(path)}` : ""}`];
    })
    .sort();
}

test("the cache is laid out as huggingface_hub does it", async () => {
  const folder = fresh();
  const destination = cacheDestination(folder, repository);
  for (const file of [shard, small]) {
    expect(await destination.holds(file)).toBe(false);
    await bring(destination, file);
    expect(await destination.holds(file)).toBe(true);
  }
  // Python takes a reference without a snapshot for corruption, so it comes last.
  expect(existsSync(join(folder, "models--org--name/refs"))).toBe(false);
  await destination.finish();
  expect(tree(folder)).toEqual([
    "CACHEDIR.TAG",
    `models--org--name/blobs/${SHA256}`,
    `models--org--name/blobs/${GIT}`,
    "models--org--name/refs/main",
    `models--org--name/snapshots/${COMMIT}/model.safetensors -> ../../blobs/${SHA256}`,
    `models--org--name/snapshots/${COMMIT}/sub/deep/config.json -> ../../../../blobs/${GIT}`,
    `models--org--name/trees/${COMMIT}.json`,
  ]);
  expect(readFileSync(join(folder, "models--org--name/refs/main"), "utf8")).toBe(COMMIT);
  expect(readFileSync(join(folder, "CACHEDIR.TAG"), "utf8")).toMatch(
    /^Signature: 8a477f597d28d172789f06886806bc55\n/,
  );
});

test("a dataset has a folder of its own, beside a model of its name", async () => {
  const folder = fresh();
  const destination = cacheDestination(folder, { ...repository, id: "datasets/org/name" });
  await bring(destination, small);
  await destination.finish();
  expect(await cacheDestination(folder, repository).holds(small)).toBe(false);
  const listing = { cacheFolder: folder, endpoint: "https://h", revision: "main" };
  expect(await cachedRepository({ ...listing, id: "datasets/org/name" })).toMatchObject({
    name: "name",
    commit: COMMIT,
    location: `https://h/datasets/org/name/tree/${COMMIT}`,
  });
  await expect(cachedRepository({ ...listing, id: "org/name" })).rejects.toMatchObject({ exitCode: 69 });
});

test("a pull request's reference is a path, a commit has none", async () => {
  const folder = fresh();
  const pull = cacheDestination(folder, { ...repository, revision: "refs/pr/1" });
  await bring(pull, small);
  await pull.finish();
  await cacheDestination(folder, { ...repository, revision: COMMIT }).finish();
  expect(tree(join(folder, "models--org--name/refs"))).toEqual(["refs/pr/1"]);
});

test("content that is there under another name gets a link, one of another length does not", async () => {
  const folder = fresh();
  const destination = cacheDestination(folder, repository);
  await bring(destination, shard);
  const twin = { ...shard, name: "copy/of.safetensors" };
  expect(await destination.holds(twin)).toBe(false);
  expect(await destination.holdsContent(twin)).toBe(true);
  await destination.adopt(twin, undefined);
  expect(await destination.holds(twin)).toBe(true);
  writeFileSync(join(folder, "models--org--name/blobs", SHA256), "short");
  expect(await destination.holds(twin)).toBe(false);
  expect(await destination.holdsContent(twin)).toBe(false);
});

test.each(["EPERM", "ENOTSUP"])(
  "without symbolic links (%s) a new file moves, a known one is copied",
  async (code) => {
    const folder = fresh();
    const destination = cacheDestination(folder, repository);
    symlink.mockRejectedValueOnce(Object.assign(new Error(code), { code }));
    await bring(destination, shard);
    const path = join(destination.folder, shard.name);
    expect(lstatSync(path).isFile()).toBe(true);
    expect(await destination.holds(shard)).toBe(true);
    expect(await destination.holdsContent(shard)).toBe(false);
    await bring(destination, small);
    const twin = { ...small, name: "twin.json" };
    symlink.mockRejectedValueOnce(Object.assign(new Error(code), { code }));
    await destination.adopt(twin, undefined);
    expect(lstatSync(join(destination.folder, "twin.json")).isFile()).toBe(true);
    expect(await destination.holdsContent(small)).toBe(true);
    expect(tree(folder).filter((name) => name.includes(".partial"))).toEqual([]);
  },
);

test("a link that another process makes at the same moment is as good, one to elsewhere is replaced", async () => {
  const destination = cacheDestination(fresh(), repository);
  await bring(destination, shard);
  const path = join(destination.folder, shard.name);
  const { ino } = lstatSync(path);
  await Promise.all([1, 2, 3, 4].map(() => destination.adopt(shard, undefined)));
  expect(lstatSync(path).ino).toBe(ino);
  unlinkSync(path);
  symlinkSync("/etc/hostname", path);
  await destination.adopt(shard, undefined);
  expect(await destination.holds(shard)).toBe(true);
});

test("a lock that was let go is the next one's, however often it is let go", async () => {
  const path = fresh();
  const release = await lockOutput(path);
  await release();
  await lockOutput(path);
  await release();
  expect(await tryLockOutput(path)).toMatchObject({
    holder: expect.stringContaining(`process ${process.pid}`),
  });
});

test("the table of a plain folder begins with its address, said once", () => {
  const plan = { folder: "", files: [], cachedBytes: 0, partialBytes: 0, missingBytes: 0, freeBytes: 0 };
  const heading = (of: Repository): string => renderDownloadPlan({ ...plan, repository: of }).split("\n")[0];
  expect(heading(repository)).toBe("org/name main (012345678901) from https://h/org/name");
  expect(heading({ ...repository, revision: COMMIT })).toBe(`org/name ${COMMIT} from https://h/org/name`);
  const { commit: _, ...plain } = repository;
  expect(heading({ ...plain, id: "https://h/x/", revision: "" })).toBe("https://h/org/name");
});

test("a link that cannot be made for another reason is an error", async () => {
  const destination = cacheDestination(fresh(), repository);
  symlink.mockRejectedValueOnce(Object.assign(new Error("no"), { code: "EROFS" }));
  await expect(bring(destination, shard)).rejects.toThrow("not permitted (EROFS)");
});

test("what has no place in the cache is refused", () => {
  const { commit: _, ...plain } = repository;
  expect(() => cacheDestination("c", plain)).toThrow("--local-dir");
  expect(() => cacheDestination("c", { ...repository, commit: "../../x" })).toThrow("a commit that is none");
  const { sha256: __, ...unknown } = shard;
  expect(() => cacheDestination("c", repository).unfinished(unknown)).toThrow("--local-dir");
});

test.each([".git/config", "a/.GIT/x", "../x", "/x", "a/../../x", "a\\..\\x", "", "a//b", "./a"])(
  "a file named %j is refused",
  async (name) => {
    const file = { ...small, name };
    for (const destination of [cacheDestination("c", repository), localDestination("c", repository)])
      await expect((async () => destination.holds(file))()).rejects.toThrow("no proper name");
  },
);

test("a local folder has the files, and a note about each as huggingface_hub writes it", async () => {
  const folder = fresh();
  const destination = localDestination(folder, repository);
  for (const file of [shard, small]) {
    await bring(destination, file);
    expect(await destination.holds(file)).toBe(true);
  }
  expect(tree(folder)).toEqual([
    ".cache/huggingface/CACHEDIR.TAG",
    ".cache/huggingface/download/model.safetensors.metadata",
    ".cache/huggingface/download/sub/deep/config.json.metadata",
    "model.safetensors",
    "sub/deep/config.json",
  ]);
  const note = join(folder, ".cache/huggingface/download/model.safetensors.metadata");
  const [commit, etag, seconds, end] = readFileSync(note, "utf8").split("\n");
  expect([commit, etag, end]).toEqual([COMMIT, SHA256, ""]);
  expect(Number(seconds)).toBeGreaterThan(lstatSync(join(folder, shard.name)).mtimeMs / 1000 - 1);
});

test("a local file is not believed without a note, with another content's, or when it is younger", async () => {
  const folder = fresh();
  const destination = localDestination(folder, repository);
  await bring(destination, shard);
  const path = join(folder, shard.name);
  const note = join(folder, ".cache/huggingface/download/model.safetensors.metadata");
  const text = readFileSync(note, "utf8");
  const holdsWith = async (noted: string): Promise<boolean> => {
    writeFileSync(note, noted);
    return destination.holds(shard);
  };
  expect(await holdsWith(text)).toBe(true);
  expect(await holdsWith(text.replace(SHA256, GIT))).toBe(false);
  expect(await holdsWith("")).toBe(false);
  expect(await holdsWith(text)).toBe(true);
  utimesSync(path, new Date(), new Date(Date.now() + 60_000));
  expect(await destination.holds(shard)).toBe(false);
});

test("a folder where the file should be is not the file", async () => {
  const destination = cacheDestination(fresh(), repository);
  mkdirSync(join(destination.folder, shard.name), { recursive: true });
  expect(await destination.holds(shard)).toBe(false);
  expect(existsSync(dirname(destination.unfinished(shard)))).toBe(false);
});
