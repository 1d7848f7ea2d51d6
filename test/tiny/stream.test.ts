import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { sidecarOf } from "../../tools/artefact/manifest-file.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { convert, failureOf, identityOf } from "../support/conversions.ts";
import { startHub } from "../support/hub.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";
import { shardPaths } from "../support/shards.ts";
import { convertStreamed } from "../support/streams.ts";

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

test("the manifest says what a stream proves and what it does not, outside of the digest", async () => {
  const out = fresh("model.gguf");
  const { source } = await convertStreamed({ hub, id: ID, recipe: "lossless-4", out });
  const { provenance, digest } = JSON.parse(readFileSync(join(sidecarOf(out), "manifest.json"), "utf8"));
  expect(digest).toBe((await identityHere("lossless-4")).at(-1));
  expect(provenance.revision).toMatch(/^[0-9a-f]{40}$/);
  expect(source.path).toContain(provenance.revision);
  expect(provenance.streamed).toMatchObject({
    commit: provenance.revision,
    unverified: ["SHA-256 of the shards"],
  });
  expect(provenance.files[0].sha256).toMatch(/^[0-9a-f]{64}$/);
});

test("what a stream began goes on with the stream, and only what is missing is fetched", async () => {
  const recipe = "lossless-4";
  const out = fresh("model.gguf");
  await convertStreamed({ hub, id: ID, recipe, out: fresh("model.gguf") });
  const whole = await hub.bytesSent();
  await hub.clearLog();
  const interrupted = new AbortController();
  const halfway = async (): Promise<void> => {
    while ((await hub.bytesSent()) < whole / 2) await new Promise((resolve) => setTimeout(resolve, 5));
    interrupted.abort(new Error("halfway"));
  };
  await hub.control({ bytesPerSecond: 2 * shardBytes });
  const begun = convertStreamed({
    hub,
    id: ID,
    recipe,
    out,
    windowBytes: 300_000,
    signal: interrupted.signal,
  });
  await Promise.all([expect(begun).rejects.toThrow("halfway"), halfway()]);
  await hub.calm();
  await hub.clearLog();
  const { resumed } = await convertStreamed({ hub, id: ID, recipe, out });
  expect(resumed).toBeGreaterThan(0);
  expect(await hub.bytesSent()).toBeLessThan(0.8 * whole);
  expect(identityOf(out)).toEqual(await identityHere(recipe));
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
