import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { cli } from "../../support/cli.ts";
import { startHub } from "../../support/hub.ts";
import {
  buildTree,
  CACHES,
  describeTree,
  REPOSITORY_FOLDER,
  sharedPart,
  TAG,
  UNFINISHED,
  vectorRepository,
} from "../../support/hub-cache.ts";
import { scratchFolder } from "../../support/scratch.ts";

const scratch = scratchFolder();
const hub = await startHub(vectorRepository(join(scratch, "repository")));
beforeEach(hub.clearLog);

function download(cache: string, revision = "main") {
  const env = { ...hub.env, HF_HUB_CACHE: cache };
  const result = cli(["download", CACHES.id, "--revision", revision, "--json"], { env });
  expect(result.stderr).not.toContain("bug");
  expect(result).toMatchObject({ code: 0 });
  return JSON.parse(result.stdout) as { status: string; path: string; fetchedBytes: number };
}

const fetchedFiles = async (): Promise<readonly string[]> =>
  (await hub.log()).flatMap(({ method, file }) => (method === "GET" && file !== undefined ? [file] : []));

test("download writes the blobs, snapshots, listings and references that Python writes", () => {
  const cache = join(scratch, "ours");
  download(cache);
  download(cache, TAG);
  const ours = describeTree(cache);
  expect(sharedPart(ours)).toEqual(sharedPart(CACHES.complete));
  // Python alone keeps its locks there.
  const folders = (tree: object): string[] =>
    [...new Set(Object.keys(tree).map((name) => name.split("/")[0]))].sort();
  expect(folders(ours)).toEqual(["CACHEDIR.TAG", REPOSITORY_FOLDER]);
  expect(folders(CACHES.complete)).toEqual([".locks", "CACHEDIR.TAG", REPOSITORY_FOLDER]);
  expect(Object.keys(ours).filter((name) => !(name in CACHES.complete))).toEqual([]);
});

test("a cache that Python filled needs not one byte of a file, and stays as Python left it", async () => {
  const cache = join(scratch, "python");
  buildTree(cache, CACHES.complete);
  // What we left of a file that Python completed later.
  const [blob] = Object.keys(CACHES.complete).filter((name) => name.includes("/blobs/"));
  for (const suffix of ["partial", "journal"]) writeFileSync(join(cache, `${blob}.v4kit.${suffix}`), "half");
  for (const revision of ["main", TAG]) expect(download(cache, revision)).toMatchObject({ fetchedBytes: 0 });
  expect(await fetchedFiles()).toEqual([]);
  expect(describeTree(cache)).toEqual(CACHES.complete);
});

test("what Python left when it was killed is completed, and nothing is fetched twice", async () => {
  const cache = join(scratch, "interrupted");
  buildTree(cache, CACHES.interrupted);
  const [foreign] = Object.keys(CACHES.interrupted).filter((name) => name.endsWith(".incomplete"));
  writeFileSync(join(cache, foreign), "bytes that another process may be writing");
  const { path } = download(cache);
  expect(new Set(await fetchedFiles())).toEqual(new Set([UNFINISHED]));
  expect(await hub.bytesSent(UNFINISHED)).toBe(3000);
  // Python's own partial file is its own business; the rest is what Python would have made of it.
  expect(readFileSync(join(cache, foreign), "utf8")).toContain("another process");
  const { [foreign]: _, ...ours } = sharedPart(describeTree(cache));
  const blob = foreign.replace(/\.[0-9a-f]{8}\.incomplete$/, "");
  const link = join(REPOSITORY_FOLDER, "snapshots", basename(path), UNFINISHED);
  const expected = Object.entries(CACHES.complete).filter(
    ([name]) => name in CACHES.interrupted || name === blob || name === link,
  );
  expect(ours).toEqual(sharedPart(Object.fromEntries(expected)));
});
