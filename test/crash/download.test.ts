import { randomBytes } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { download } from "../../tools/hub/download.ts";
import type { DownloadResult } from "../../tools/hub/download-result.ts";
import type { FaultRule } from "../fixtures/hub-server/protocol.ts";
import { cli } from "../support/cli.ts";
import { blobsOf, sha256Of, startDownload, untilSent } from "../support/downloads.ts";
import { startHub } from "../support/hub.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const MiB = 2 ** 20;
const scratch = scratchFolder();
const folder = join(scratch, "repository");
mkdirSync(join(folder, "sub"), { recursive: true });
writeFileSync(join(folder, "config.json"), '{"hidden_size": 8}\n');
writeFileSync(join(folder, "sub/notes.txt"), "notes\n".repeat(500));

const SHARD = "model-00001-of-00002.safetensors";
const SECOND = "model-00002-of-00002.safetensors";
const KILLS = FULL ? 50 : 2;
/** A kill costs what came in the last tenth of a second, whatever the rate: so there are seconds between two. */
const BYTES_PER_SECOND = FULL ? 10 * MiB : 6 * MiB;
const INTERVAL_BYTES = (FULL ? 2.2 : 4) * BYTES_PER_SECOND;
const large = join(scratch, "large");
writeRandom(join(large, SHARD), Math.floor(0.7 * (KILLS + 0.5) * INTERVAL_BYTES));
writeRandom(join(large, SECOND), Math.floor(0.3 * (KILLS + 0.5) * INTERVAL_BYTES));
writeFileSync(join(large, "config.json"), "{}\n");
const hub = await startHub({
  "org/large": { folder: large },
  "org/small": {
    folder,
    virtual: { [SHARD]: { byteLength: 12 * MiB + 1 }, [SECOND]: { byteLength: 9 * MiB } },
  },
});

function writeRandom(path: string, byteLength: number): void {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, "w");
  for (let done = 0; done < byteLength; done += MiB)
    writeSync(file, randomBytes(Math.min(MiB, byteLength - done)));
  closeSync(file);
}

afterEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

let caches = 0;
const freshEnv = (): NodeJS.ProcessEnv & { readonly HF_HUB_CACHE: string } => ({
  ...hub.env,
  HF_HUB_CACHE: join(scratch, `cache-${caches++}`),
});

/** Every blob holds what its name says, and nothing unfinished is left. */
async function expectWhole(cacheFolder: string, id: string): Promise<void> {
  const blobs = blobsOf(cacheFolder, id);
  expect(blobs).toHaveLength(id === "org/large" ? 3 : 4);
  expect(blobs.filter((path) => basename(path).includes("v4kit"))).toEqual([]);
  await expectHashed(blobs);
}

async function expectHashed(blobs: readonly string[]): Promise<void> {
  for (const path of blobs)
    if (/^[0-9a-f]{64}$/.test(basename(path))) expect(await sha256Of(path)).toBe(basename(path));
}

/** Runs the stage here, with patience for a test. */
async function downloadSmall(
  env: ReturnType<typeof freshEnv>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<{ result: DownloadResult; lines: string[] }> {
  const lines: string[] = [];
  const result = await download({
    id: "org/small",
    jobs: 4,
    env,
    quiet: true,
    stallMs: 500,
    onLine: (line) => lines.push(line),
    ...options,
  });
  return { result, lines };
}

test("killed at random moments: the bytes are right, and of what was fetched at least 95 % is not fetched again", async () => {
  const env = freshEnv();
  const random = seededRandom(Number(process.env.V4KIT_SEED ?? 6));
  await hub.control({ bytesPerSecond: BYTES_PER_SECOND });
  let sentBeforeKills = 0;
  // What lay in the kernel when a process died was never fetched, and on a busy machine that is a lot.
  let neverRead = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const share = (0.8 + 0.4 * random()) * INTERVAL_BYTES;
    const started = startDownload(["org/large", "--jobs", "4", "--quiet"], env);
    await untilSent(started, hub, sentBeforeKills + share);
    started.child.kill("SIGSTOP");
    const { bytesSent, unreadBytes } = await hub.traffic();
    started.child.kill("SIGKILL");
    expect(await started.ended).toEqual({ code: null, stderr: "" });
    sentBeforeKills = await hub.bytesSent();
    neverRead += unreadBytes + sentBeforeKills - bytesSent;
    // Under a final name there are whole files alone.
    await expectHashed(blobsOf(env.HF_HUB_CACHE, "org/large"));
  }
  await hub.control({ bytesPerSecond: 0 });
  expect(await startDownload(["org/large", "--jobs", "4", "--quiet"], env).ended).toEqual({
    code: 0,
    stderr: "",
  });
  await expectWhole(env.HF_HUB_CACHE, "org/large");
  const sent = (await hub.bytesSent(SHARD)) + (await hub.bytesSent(SECOND));
  const needed = statSync(snapshotFile(env, SHARD)).size + statSync(snapshotFile(env, SECOND)).size;
  expect((sent - needed - neverRead) / (sentBeforeKills - neverRead)).toBeLessThan(0.05);
}, 600_000);

function snapshotFile(env: ReturnType<typeof freshEnv>, name: string, id = "org/large"): string {
  const store = join(env.HF_HUB_CACHE, `models--${id.replace("/", "--")}`);
  return join(store, "snapshots", readFileSync(join(store, "refs/main"), "utf8"), name);
}

/** What befalls half of all answers with bytes, and some of the others. */
const MISCHIEF: readonly FaultRule[] = [
  { fault: { kind: "cut" }, on: "^cdn GET", fraction: 0.5, count: FULL ? 200 : 12 },
  { fault: { kind: "stall" }, on: "^cdn GET", fraction: 0.1, count: FULL ? 12 : 2 },
  { fault: { kind: "status", status: 429, retryAfter: 1 }, on: "GET .*resolve", fraction: 0.2, count: 2 },
  { fault: { kind: "status", status: 500 }, on: "^cdn", fraction: 0.2, count: 2 },
  { fault: { kind: "status", status: 503 }, on: "^hub GET /api", fraction: 0.5, count: 2 },
  { fault: { kind: "shift", bytes: 512, admitted: true }, on: "^cdn", fraction: 0.2, count: 2 },
  { fault: { kind: "shift", bytes: 512, admitted: false }, on: "^cdn", fraction: 0.1, count: 1 },
  { fault: { kind: "whole" }, on: "^cdn", fraction: 0.2, count: 2 },
  { fault: { kind: "length", add: 1000 }, on: "^cdn", fraction: 0.2, count: 1 },
  { fault: { kind: "total", add: 1000 }, on: "^cdn", fraction: 0.2, count: 1 },
];

test("a server that does everything wrong at once", async () => {
  for (const seed of FULL ? [1, 2, 3, 4, 5] : [1]) {
    const env = freshEnv();
    await hub.control({ seed, rules: MISCHIEF, signedForBytes: 3 * MiB });
    const { result } = await downloadSmall(env);
    expect(result.status).toBe("downloaded");
    await expectWhole(env.HF_HUB_CACHE, "org/small");
    const struck = new Set((await hub.log()).flatMap(({ faults }) => faults));
    expect(struck.size).toBeGreaterThan(3);
  }
}, 300_000);

test("a bit that flips on the way is found, fetched again and reported with its place", async () => {
  const env = freshEnv();
  const byte = 5 * MiB + 77;
  await hub.control({ rules: [{ fault: { kind: "flip", byte }, on: `^cdn .*${SECOND}`, count: 1 }] });
  const { result, lines } = await downloadSmall(env);
  const mended = [{ start: byte, end: byte + 1, where: "transfer" }];
  expect(result.files.find(({ name }) => name === SECOND)).toMatchObject({ status: "mended", mended });
  expect(lines.filter((line) => line.includes("replaced"))).toEqual([
    `${SECOND}: bytes ${byte} to ${byte + 1} were wrong as they came and have been replaced`,
  ]);
  await expectWhole(env.HF_HUB_CACHE, "org/small");
});

test("a source that holds other bytes than the Hub says: exit 65, nothing under a final name", async () => {
  const env = freshEnv();
  await hub.control({ rules: [{ fault: { kind: "flip", byte: 3 * MiB }, on: `^cdn .*${SECOND}` }] });
  await expect(downloadSmall(env)).rejects.toMatchObject({
    exitCode: 65,
    message: expect.stringMatching(
      new RegExp(
        `^${SECOND}: the source does not hold what the Hub says.*expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}`,
      ),
    ),
  });
  expect(blobsOf(env.HF_HUB_CACHE, "org/small").map((path) => statSync(path).size)).not.toContain(9 * MiB);
  await hub.calm();
  const { result } = await downloadSmall(env);
  expect(result.status).toBe("downloaded");
  await expectWhole(env.HF_HUB_CACHE, "org/small");
});

/** Stops a download in the middle of its first shard. */
async function stopHalfway(env: ReturnType<typeof freshEnv>): Promise<string> {
  await hub.control({ bytesPerSecond: 16 * MiB });
  const started = startDownload(["org/small", "--jobs", "2", "--quiet"], env);
  await untilSent(started, hub, 8 * MiB);
  started.child.kill("SIGINT");
  const { code, stderr } = await started.ended;
  expect(code).toBe(130);
  expect(stderr).toBe("v4kit: interrupted (SIGINT), the same command goes on where it stopped\n");
  await hub.calm();
  await hub.clearLog();
  const partial = blobsOf(env.HF_HUB_CACHE, "org/small").find((path) => path.endsWith(".partial"));
  return partial as string;
}

test("a bit that flips on the disk between two runs costs its piece alone", async () => {
  const env = freshEnv();
  const partial = await stopHalfway(env);
  const at = 1_234_567;
  const file = openSync(partial, "r+");
  const bytes = new Uint8Array(1);
  readSync(file, bytes, 0, 1, at);
  bytes[0] ^= 4;
  writeSync(file, bytes, 0, 1, at);
  closeSync(file);
  const { result, lines } = await downloadSmall(env);
  const shard = result.files.find(({ name }) => name === SHARD);
  expect(shard).toMatchObject({ status: "mended" });
  expect(shard?.mended).toHaveLength(1);
  const [{ start, end, where }] = shard?.mended ?? [];
  expect(where).toBe("disk");
  expect([start <= at, at < end, end - start <= MiB]).toEqual([true, true, true]);
  expect(lines).toContainEqual(
    `${SHARD}: bytes ${start} to ${end} on the disk are not what was written: fetching them again`,
  );
  expect(shard?.fetchedBytes).toBeLessThan(12 * MiB - 4 * MiB);
  await expectWhole(env.HF_HUB_CACHE, "org/small");
});

test("what a power cut took from the disk is fetched again, whatever the journal says", async () => {
  const env = freshEnv();
  const partial = await stopHalfway(env);
  writeFileSync(partial, readFileSync(partial).subarray(0, 3 * MiB));
  const { result } = await downloadSmall(env);
  expect(result.files.find(({ name }) => name === SHARD)?.keptBytes).toBeLessThanOrEqual(3 * MiB);
  await expectWhole(env.HF_HUB_CACHE, "org/small");
});

test("a plain folder whose file changes under the download is begun anew, once", async () => {
  const local = join(scratch, "local");
  const shardAt = "model.safetensors";
  mkdirSync(join(scratch, "plain"), { recursive: true });
  writeFileSync(join(scratch, "plain/config.json"), "{}\n");
  writeFileSync(join(scratch, "plain", shardAt), Buffer.alloc(9 * MiB, 7));
  const plain = await startHub({ "org/plain": { folder: join(scratch, "plain") } });
  await plain.control({
    bytesPerSecond: 8 * MiB,
    rules: [{ fault: { kind: "change" }, on: `GET .*${shardAt}`, after: 1, count: 1 }],
  });
  const lines: string[] = [];
  const result = await download({
    id: plain.plainUrl("org/plain"),
    localFolder: local,
    jobs: 2,
    env: plain.env,
    quiet: true,
    onLine: (line) => lines.push(line),
  });
  expect(lines.join("\n")).toMatch(/changed between two ranges.*begun anew, once/);
  expect(result.unverified).toContain(shardAt);
  expect(new Set(readFileSync(join(local, shardAt)))).toEqual(new Set([7 ^ 0x55]));
});

test("--json says what became of every file, and the second run that nothing was to do", () => {
  const env = freshEnv();
  const first = cli(["download", "org/small", "--json", "--quiet"], { env });
  expect(first).toMatchObject({ code: 0, stderr: "" });
  const result = JSON.parse(first.stdout) as DownloadResult;
  expect(result).toMatchObject({ status: "downloaded", id: "org/small", revision: "main", unverified: [] });
  expect(result.files.map(({ name, status, verifiedBy }) => [name, status, verifiedBy])).toEqual([
    ["config.json", "fetched", "git-sha1"],
    [SHARD, "fetched", "sha256"],
    [SECOND, "fetched", "sha256"],
    ["sub/notes.txt", "fetched", "git-sha1"],
  ]);
  expect(result.fetchedBytes).toBe(result.totalBytes);
  const second = JSON.parse(cli(["download", "org/small", "--json"], { env }).stdout) as DownloadResult;
  expect(second).toMatchObject({ status: "up to date", fetchedBytes: 0, path: result.path });
});
