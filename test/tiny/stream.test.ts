import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { type Manifest, sidecarOf } from "../../tools/artefact/manifest-file.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { convert, failureOf, identityOf, sha256 } from "../support/conversions.ts";
import { startHub } from "../support/hub.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";
import { shardPaths } from "../support/shards.ts";
import { convertStreamed, withRepository } from "../support/streams.ts";

const ID = "deepseek-ai/DeepSeek-V4-Flash";
const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
await generateCheckpoint({
  folder: checkpoint,
  dims: { ...TINY_DIMS, layerCount: 2 },
  seed: 21,
  storage: "official",
});
const hub = await startHub({ [ID]: { folder: checkpoint } });
const shardBytes = shardPaths(checkpoint).reduce((sum, path) => sum + readFileSync(path).length, 0);

beforeEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

let runs = 0;
const fresh = (name: string): string => join(folder, `run-${runs++}`, name);
const nameFor = (recipe: string): string => (recipe === "nvfp4" || recipe === "fp8" ? "model" : "model.gguf");

const provenanceOf = (out: string): Manifest["provenance"] =>
  (JSON.parse(readFileSync(join(sidecarOf(out), "manifest.json"), "utf8")) as Manifest).provenance;

/** By recipe: what a conversion of the local folder gives. */
const local = new Map<string, string[]>();
async function identityHere(recipe: string): Promise<string[]> {
  const known = local.get(recipe);
  if (known) return known;
  const out = fresh(nameFor(recipe));
  await convert({ source: checkpoint, recipe, out });
  local.set(recipe, identityOf(out));
  return identityOf(out);
}

test.each<[string, string]>([
  ["lossless-4", "a GGUF without arithmetic"],
  ["q2-k", "two passes: the energy of the weights comes first"],
  ["nvfp4", "a folder, with scales that two matrices share"],
  ...(FULL ? ([["fp8", "a folder of FP8"]] as [string, string][]) : []),
])("%s streamed is the artefact of a local run, byte for byte (%s)", async (recipe) => {
  const out = fresh(nameFor(recipe));
  const result = await convertStreamed({ hub, id: ID, recipe, out });
  expect(identityOf(out)).toEqual(await identityHere(recipe));
  // Every byte once, however often it is read, and nothing is asked for outside of the plan.
  expect(result.streamed?.directFetches).toBe(0);
  expect(result.streamed?.fetchedBytes).toBeLessThanOrEqual(shardBytes);
  const ranges = (await hub.log()).filter(
    ({ origin, file }) => origin === "cdn" && file?.endsWith(".safetensors"),
  );
  // Headers, then units: far fewer than the tensors.
  expect(ranges.length).toBe(shardPaths(checkpoint).length + (result.streamed?.fetches ?? 0));
  expect(result.streamed?.fetches).toBeLessThan(result.source.tensors / 4);
  expect(readdirSync(sidecarOf(out))).not.toContain("window");
  // Outside of the digest the manifest says what this proves and what not.
  const { revision, streamed, files } = provenanceOf(out);
  expect(revision).toMatch(/^[0-9a-f]{40}$/);
  expect(result.source.path).toContain(revision);
  expect(streamed).toMatchObject({ commit: revision, unverified: ["SHA-256 of the shards"] });
  expect(files[0].sha256).toMatch(/^[0-9a-f]{64}$/);
});

test("a window smaller than the model changes requests, not bytes", async () => {
  const recipe = "q2-k";
  const windowBytes = 200_000;
  expect(shardBytes).toBeGreaterThan(20 * windowBytes);
  const out = fresh("model.gguf");
  const { streamed } = await convertStreamed({ hub, id: ID, recipe, out, windowBytes });
  expect(identityOf(out)).toEqual(await identityHere(recipe));
  expect(streamed?.peakBytes).toBeGreaterThan(0);
  expect(streamed?.peakBytes).toBeLessThanOrEqual(windowBytes);
});

/** The repository as the Hugging Face cache has it: links whose targets are named by their hash. */
function snapshotOf(commit: string): string {
  const store = join(folder, "models--deepseek-ai--DeepSeek-V4-Flash");
  const snapshot = join(store, "snapshots", commit);
  for (const path of [snapshot, join(store, "blobs")]) mkdirSync(path, { recursive: true });
  for (const name of readdirSync(checkpoint)) {
    const blob = join(store, "blobs", sha256(join(checkpoint, name)));
    copyFileSync(join(checkpoint, name), blob);
    symlinkSync(blob, join(snapshot, name));
  }
  return snapshot;
}

test("what a stream began goes on with a snapshot in the cache, without a network, and says that it was streamed", async () => {
  const recipe = "lossless-4";
  const out = fresh("model.gguf");
  const interrupted = new AbortController();
  const halfway = async (): Promise<void> => {
    while ((await hub.bytesSent()) < shardBytes / 2) await new Promise((resolve) => setTimeout(resolve, 5));
    interrupted.abort(new Error("halfway"));
  };
  await hub.control({ bytesPerSecond: 2 * shardBytes });
  const begun = convertStreamed({
    ...{ hub, id: ID, recipe, out, windowBytes: 300_000 },
    signal: interrupted.signal,
  });
  await Promise.all([expect(begun).rejects.toThrow("halfway"), halfway()]);
  const { commit } = await withRepository(hub, { id: ID }, async (repository) => repository);
  await hub.clearLog();
  const { resumed } = await convert({ source: snapshotOf(commit as string), recipe, out });
  expect(resumed).toBeGreaterThan(0);
  expect(await hub.log()).toEqual([]);
  expect(identityOf(out)).toEqual(await identityHere(recipe));
  expect(provenanceOf(out)).toMatchObject({ revision: commit, streamed: { commit } });
});

test("a repository whose file changes under its commit is refused, and nothing gets a name", async () => {
  const out = fresh("model.gguf");
  const on = "cdn GET .*00003-of";
  // The listing and the headers are read; then the shard is another.
  await hub.control({ rules: [{ fault: { kind: "change" }, on, after: 1 }] });
  const failure = await failureOf(convertStreamed({ hub, id: ID, recipe: "lossless-4", out }));
  expect(failure).toMatch(/^65 .*model-00003-of-\d+.safetensors.*expected.*found/);
  expect(existsSync(out)).toBe(false);
});

test("a mirror gives the same bytes, and less is proved of them", async () => {
  const out = fresh("model.gguf");
  await convertStreamed({ hub, id: ID, mirror: hub.plainUrl(ID), recipe: "lossless-4", out });
  expect(identityOf(out)).toEqual(await identityHere("lossless-4"));
  const { streamed, revision } = provenanceOf(out);
  expect(streamed?.commit).toBe(revision);
  expect(streamed?.verified).toContain("range and total length of every answer");
  expect(streamed?.unverified).toEqual([
    "SHA-256 of the shards",
    "that all answers are of one version of the files",
  ]);
});
