import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { sidecarOf } from "../../tools/artefact/manifest-file.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { type CliResult, cli } from "../support/cli.ts";
import { convert, identityOf } from "../support/conversions.ts";
import { startHub } from "../support/hub.ts";
import { scratchFolder } from "../support/scratch.ts";
import { shardPaths } from "../support/shards.ts";

const ID = "deepseek-ai/DeepSeek-V4-Flash";
const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
await generateCheckpoint({
  folder: checkpoint,
  dims: { ...TINY_DIMS, layerCount: 2 },
  seed: 41,
  storage: "official",
});
const hub = await startHub({ [ID]: { folder: checkpoint } });
const shardCount = shardPaths(checkpoint).length;

beforeEach(async () => {
  await hub.clearLog();
});

const run = (args: readonly string[]): CliResult => cli(args, { env: hub.env, cwd: folder });
const shardRequests = async () =>
  (await hub.log()).filter(({ origin, file }) => origin === "cdn" && file?.endsWith(".safetensors"));
const cached = (): boolean => existsSync(String(hub.env.HF_HUB_CACHE));

test("inspect of a repository reads headers, and says which commit it looked at", async () => {
  const { code, stdout } = run(["inspect", ID, "--json"]);
  expect(code).toBe(0);
  const report = JSON.parse(stdout);
  const local = JSON.parse(run(["inspect", checkpoint, "--json"]).stdout);
  expect(report.commit).toMatch(/^[0-9a-f]{40}$/);
  expect({ ...report, location: "", tensorList: [] }).toEqual({
    ...{ ...local, location: "", tensorList: [] },
    commit: report.commit,
  });
  expect(report.tensorList.length).toBe(local.tensorList.length);
  expect(await shardRequests()).toHaveLength(shardCount);
  expect(run(["inspect", "--variant", "flash", "--engines"]).code).toBe(0);
  expect(cached()).toBe(false);
});

test("plan of a repository measures the network, and says what a stream saves of the disk", async () => {
  const { code, stdout, stderr } = run(["plan", "--variant", "flash", "--bits", "4", "--out", "-"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/network .*\/s; the source is .* to download, /);
  expect(stdout).toMatch(/time .* with --stream, bound by/);
  expect(stdout).toMatch(/disk .* at the peak with --stream, .* with the source downloaded; .* free/);
  await hub.clearLog();
  const quick = run(["plan", ID, "--bits", "4", "--out", "-", "--no-benchmark"]);
  expect(quick.stdout).toMatch(/network not measured; the source is/);
  expect(await shardRequests()).toHaveLength(shardCount);
});

test("quantize by name with an empty cache: --dry-run says both, --stream stores no source, without it is downloaded", async () => {
  const reference = join(folder, "reference", "model.gguf");
  await convert({ source: checkpoint, recipe: "lossless-4", out: reference });
  const args = ["quantize", "--variant", "flash", "--bits", "4", "--out", "model.gguf"];
  const out = join(folder, "model.gguf");

  const dry = run([...args, "--dry-run"]);
  expect(dry.code).toBe(0);
  expect(dry.stderr).toMatch(/to fetch: .* of .*, about .* at .*\/s; .* free/);
  expect(dry.stdout).toContain("dry run: nothing was written");
  expect([existsSync(out), cached()]).toEqual([false, false]);

  const streamed = run([...args, "--stream", "--window", "2MiB"]);
  expect(streamed.code).toBe(0);
  expect(streamed.stdout).toMatch(
    /streamed from .*\/tree\/[0-9a-f]{40} at [0-9a-f]{40}: .* requests, window/,
  );
  expect(streamed.stdout).toMatch(/not verified: SHA-256 of the shards\n.*--manifest --reference/);
  expect(identityOf(out)).toEqual(identityOf(reference));
  expect(cached()).toBe(false);

  // The cache's snapshot is the same source: what the stream made is what a local run would make.
  const downloaded = run(args);
  expect(downloaded.stderr).toMatch(/to fetch: .* of .*, about .* at .*\/s; .* free/);
  expect(downloaded).toMatchObject({ code: 0, stdout: expect.stringContaining("up to date") });
  expect(cached()).toBe(true);

  // With everything here there is no network.
  await hub.clearLog();
  for (const name of readdirSync(folder).filter((each) => /^(mtp-)?model\./.test(each)))
    renameSync(join(folder, name), join(folder, `old-${name}`));
  expect(run([...args, "--stream"]).code).toBe(0);
  expect(identityOf(out)).toEqual(identityOf(reference));
  expect(await hub.log()).toEqual([]);
  const { provenance } = JSON.parse(readFileSync(join(sidecarOf(out), "manifest.json"), "utf8"));
  expect(provenance.streamed).toBeUndefined();
});

test("a plain folder on the web is inspected, planned and streamed, and not downloaded by itself", async () => {
  const url = hub.plainUrl(ID);
  expect(run(["inspect", url]).stdout).toContain("tensors in");
  const args = ["quantize", url, "--bits", "4", "--out", "plain.gguf"];
  expect(run(args)).toMatchObject({ code: 64, stderr: expect.stringContaining("--stream") });
  expect(run([...args, "--stream", "--quiet"])).toMatchObject({ code: 0, stderr: "" });
  const { provenance } = JSON.parse(readFileSync(join(folder, "plain.v4kit/manifest.json"), "utf8"));
  expect(provenance.streamed.unverified).toHaveLength(2);
});

test("a window that is too small and a number of connections that is none are refused", () => {
  const args = ["quantize", ID, "--stream", "--bits", "4"];
  expect(run([...args, "--window", "1KiB"])).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/at least 1.00 MiB/),
  });
  expect(run([...args, "--jobs", "0"])).toMatchObject({ code: 64, stderr: expect.stringMatching(/--jobs/) });
});
