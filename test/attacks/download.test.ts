import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { DownloadResult } from "../../tools/hub/download-result.ts";
import { lockOutput } from "../../tools/lib/output-lock.ts";
import { expectRefusal } from "../support/attack.ts";
import { cli, cliCommand } from "../support/cli.ts";
import { diskFaults, inNamespace } from "../support/disks.ts";
import { blobsOf, sha256Of, startDownload, until } from "../support/downloads.ts";
import { startHub } from "../support/hub.ts";
import { scratchFolder } from "../support/scratch.ts";

const MiB = 2 ** 20;
const scratch = scratchFolder();
const folder = join(scratch, "repository");
mkdirSync(folder);
writeFileSync(join(folder, "config.json"), '{"hidden_size": 8}\n');
const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const TOTAL = 13 * MiB;
const hub = await startHub({
  "org/model": {
    folder,
    virtual: { [SHARDS[0]]: { byteLength: 8 * MiB }, [SHARDS[1]]: { byteLength: 5 * MiB } },
  },
});
afterEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

let caches = 0;
const freshCache = (): string => join(scratch, `cache-${caches++}`);
const envOf = (cache: string): NodeJS.ProcessEnv => ({ ...hub.env, HF_HUB_CACHE: cache });
const run = (cache: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
  cli(["download", "org/model", "--quiet", ...args], { env: { ...envOf(cache), ...env } });

async function expectWhole(cache: string): Promise<void> {
  const blobs = blobsOf(cache, "org/model");
  expect(blobs.map((path) => basename(path)).filter((name) => name.includes(".v4kit"))).toEqual([]);
  expect(blobs).toHaveLength(3);
  for (const path of blobs)
    if (/^[0-9a-f]{64}$/.test(basename(path))) expect(await sha256Of(path)).toBe(basename(path));
}

const linux = process.platform === "linux";
const mounted = join(scratch, "mounted");
mkdirSync(mounted);
const canMount = linux && inNamespace(`mount -t tmpfs -o size=1m tmpfs ${mounted}`, ["true"]).code === 0;
if (!canMount)
  console.warn(
    "SKIPPED: no user and mount namespaces here, so neither a small nor a read-only disk to write to",
  );

test.skipIf(!canMount)(
  "too little space and a read-only cache are said in one line, before the first byte",
  async () => {
    const command = cliCommand(["download", "org/model", "--quiet"]);
    const small = inNamespace(`mount -t tmpfs -o size=9m tmpfs ${mounted}`, command, envOf(mounted));
    expectRefusal(
      small,
      74,
      "not enough free space for the download",
      "13.0 MiB",
      "9.00 MiB free",
      "--cache-dir",
    );
    const readOnly = inNamespace(`mount -t tmpfs -o ro tmpfs ${mounted}`, command, envOf(mounted));
    expectRefusal(readOnly, 77, "not permitted (EROFS)", mounted);
    for (const shard of SHARDS) expect(await hub.bytesSent(shard)).toBe(0);
  },
);

test.skipIf(!canMount)("a read-only cache that has everything will do", async () => {
  const cache = freshCache();
  expect(run(cache).code).toBe(0);
  await hub.clearLog();
  const script = `mount --bind ${cache} ${cache} && mount -o remount,ro,bind ${cache}`;
  const command = cliCommand(["download", "org/model", "--json", "--quiet"]);
  const again = inNamespace(script, command, envOf(cache));
  expect([again.code, again.stderr]).toEqual([0, ""]);
  expect(JSON.parse(again.stdout)).toMatchObject({ status: "up to date" });
});

test("offline, a whole cache is up to date; of one that is not the missing files are named", async () => {
  const cache = freshCache();
  expect(run(cache, ["--include", "*.json"]).code).toBe(0);
  await hub.clearLog();
  const offline = { HF_HUB_OFFLINE: "1" };
  const part = run(cache, ["--include", "*.json", "--json"], offline);
  expect([part.code, part.stderr]).toEqual([0, ""]);
  expect(JSON.parse(part.stdout)).toMatchObject({ status: "up to date", revision: "main" });
  expectRefusal(run(cache, [], offline), 69, "HF_HUB_OFFLINE", `no ${SHARDS[0]}, ${SHARDS[1]}`);
  expect(await hub.log()).toEqual([]);
});

test("a cache that is a file, and one nobody may write to", () => {
  const file = join(scratch, "file");
  writeFileSync(file, "");
  expectRefusal(run(file), 66, "not what the path says (ENOTDIR)", file);
  if (process.getuid?.() === 0) return;
  const closed = freshCache();
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  expectRefusal(run(closed), 77, "not permitted (EACCES)", closed);
});

test.skipIf(!linux)(
  "a disk that fills up in the middle: exit 74, and the same command does the rest",
  async () => {
    const cache = freshCache();
    const full = run(cache, ["--jobs", "2"], diskFaults(scratch, { FAULT_WRITE_BUDGET: 6 * MiB }));
    expectRefusal(full, 74, "the disk is full; free space and run the same command again");
    await hub.clearLog();
    const rest = run(cache, ["--json"]);
    expect([rest.code, rest.stderr]).toEqual([0, ""]);
    expect((JSON.parse(rest.stdout) as DownloadResult).keptBytes).toBeGreaterThan(3 * MiB);
    await expectWhole(cache);
  },
);

test.skipIf(!linux)("short writes do not show in the bytes", async () => {
  const cache = freshCache();
  expect(run(cache, [], diskFaults(scratch, { FAULT_SHORT: 40_961 }))).toMatchObject({ code: 0, stderr: "" });
  await expectWhole(cache);
});

test("a file that another process fetches comes last, and is waited for; a dead one's is taken over", async () => {
  const cache = freshCache();
  // Half of the first shard; a small file may be under way too.
  await hub.control({ bytesPerSecond: 16 * MiB });
  const half = startDownload(["org/model", "--quiet", "--jobs", "2"], envOf(cache));
  await until(half, async () => (await hub.bytesSent(SHARDS[0])) >= 3 * MiB);
  half.child.kill("SIGKILL");
  await half.ended;
  await hub.calm();
  const locks = blobsOf(cache, "org/model").filter((path) => /[0-9a-f]{64}\.v4kit\.lock$/.test(path));
  const [lock] = locks;
  // The dead process left it; now one that lives has it.
  await lockOutput(lock.slice(0, -".lock".length));
  const waiting = startDownload(["org/model"], envOf(cache));
  const line = `v4kit: waiting for process ${process.pid} on ${hostname()}, which is fetching model-0000`;
  await until(waiting, () => waiting.stderr().includes(line));
  await until(waiting, () => readdirSync(dirname(lock)).some((name) => /^[0-9a-f]{64}$/.test(name)));
  expect(waiting.child.exitCode).toBe(null);
  const dead = spawn("true");
  await new Promise((resolve) => dead.once("exit", resolve));
  symlinkSync(JSON.stringify({ pid: dead.pid, host: hostname(), started: "1" }), `${lock}.dead`);
  // In one step: whoever waits must not get in between.
  renameSync(`${lock}.dead`, lock);
  expect((await waiting.ended).code).toBe(0);
  await expectWhole(cache);
});

test("two processes on one cache share the work", async () => {
  const cache = freshCache();
  await hub.control({ bytesPerSecond: 8 * MiB });
  const both = [1, 2].map(() => startDownload(["org/model", "--jobs", "2", "--quiet"], envOf(cache)));
  for (const { ended } of both) expect(await ended).toEqual({ code: 0, stderr: "" });
  await expectWhole(cache);
  const sent = (await hub.bytesSent(SHARDS[0])) + (await hub.bytesSent(SHARDS[1]));
  expect(sent).toBe(TOTAL);
});

test("two processes on one folder share the work", async () => {
  const local = join(freshCache(), "local");
  await hub.control({ bytesPerSecond: 16 * MiB });
  const args = ["org/model", "--jobs", "2", "--quiet", "--local-dir", local];
  const both = [1, 2].map(() => startDownload(args, envOf(freshCache())));
  for (const { ended } of both) expect(await ended).toEqual({ code: 0, stderr: "" });
  expect((await hub.bytesSent(SHARDS[0])) + (await hub.bytesSent(SHARDS[1]))).toBe(TOTAL);
});

test("the table says what will be fetched and what is here; a dry run measures and writes nothing", async () => {
  const cache = freshCache();
  const dry = cli(["download", "org/model", "--dry-run"], { env: envOf(cache) });
  expect(dry.code).toBe(0);
  expect(dry.stdout).toBe("dry run: nothing was written\n");
  expect(dry.stderr).toMatch(/^org\/model main \([0-9a-f]{12}\) from http/);
  expect(dry.stderr).toMatch(new RegExp(`${SHARDS[0]}  8\\.00 MiB +0 %  to fetch`));
  expect(dry.stderr).toMatch(/to fetch: 13\.0 MiB of 13\.0 MiB, about [\d.]+ s at [\d.]+ \w+\/s; .* free/);
  expect(() => readdirSync(cache)).toThrow("ENOENT");
  expect(run(cache, ["--include", "*.json", "*00002-of*"]).code).toBe(0);
  const rest = cli(["download", "org/model", "--dry-run"], { env: envOf(cache) });
  expect(rest.stderr).toMatch(new RegExp(`${SHARDS[1]}  5\\.00 MiB +100 %  cached`));
  expect(rest.stderr).toMatch(/to fetch: 8\.00 MiB of 13\.0 MiB/);
  expect(run(cache, ["--include", "*.gguf"]).stderr).toContain("no file fits --include (found *.gguf)");
});

test("a local folder gets plain files, and is up to date the second time", async () => {
  const local = join(scratch, "local");
  expect(run(freshCache(), ["--local-dir", local])).toMatchObject({ code: 0, stderr: "" });
  expect(readdirSync(local).sort()).toEqual([".cache", "config.json", ...SHARDS]);
  await hub.clearLog();
  const again = run(freshCache(), ["--local-dir", local, "--json"]);
  expect(JSON.parse(again.stdout)).toMatchObject({ status: "up to date", path: local });
  expectRefusal(run(freshCache(), ["--local-dir", local, "--cache-dir", local]), 64, "one place at a time");
});

test("flags that make no sense", () => {
  const cache = freshCache();
  expectRefusal(run(cache, ["--jobs", "0"]), 64, "--jobs (expected 1 to 64, found 0)");
  expectRefusal(run(cache, ["--include"]), 64, "--include (expected a pattern");
  expectRefusal(run(cache, ["--revision", "no-such-branch"]), 66);
  // The Hub says 401 of a repository that is not there, so that nobody learns which private ones are.
  expectRefusal(cli(["download", "org/none", "--quiet"], { env: envOf(cache) }), 77, "org/none");
});
