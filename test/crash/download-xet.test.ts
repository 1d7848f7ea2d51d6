import { createHash, randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { download } from "../../tools/hub/download.ts";
import type { DownloadResult } from "../../tools/hub/download-result.ts";
import { HUB_TOKENS } from "../fixtures/hub-server/protocol.ts";
import { cli } from "../support/cli.ts";
import { startDownload, untilSent } from "../support/downloads.ts";
import { startHub } from "../support/hub.ts";
import { scratchFolder } from "../support/scratch.ts";

const MiB = 2 ** 20;
const ID = "org/chunked";
const SHARD = "model-00001-of-00002.safetensors";
const SECOND = "model-00002-of-00002.safetensors";
const scratch = scratchFolder();
const folder = join(scratch, "repository");
mkdirSync(folder);
const shard = Buffer.concat([randomBytes(6 * MiB), Buffer.alloc(2 * MiB, "zeros and words ")]);
writeFileSync(join(folder, SHARD), shard);
writeFileSync(join(folder, SECOND), randomBytes(MiB));
writeFileSync(join(folder, "config.json"), "{}\n");
const hub = await startHub({ [ID]: { folder, private: true, xet: [SHARD] } });
afterEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

let caches = 0;
const freshEnv = (): NodeJS.ProcessEnv & { readonly HF_HUB_CACHE: string } => ({
  ...hub.env,
  HF_TOKEN: HUB_TOKENS.member,
  HF_HUB_CACHE: join(scratch, `cache-${caches++}`),
});

/** All that lies below a folder: links with their targets, files with their hashes. */
function treeOf(root: string): string[] {
  return (readdirSync(root, { recursive: true }) as string[]).sort().map((name) => {
    const path = join(root, name);
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}`;
    return stats.isFile() ? `${name} ${createHash("sha256").update(readFileSync(path)).digest("hex")}` : name;
  });
}

const byRanges = freshEnv();
await download({ id: ID, env: byRanges, quiet: true });
const expected = treeOf(byRanges.HF_HUB_CACHE);
await hub.clearLog();
const XET = [ID, "--transfer", "xet", "--jobs", "2"];

test("killed and begun again by chunks: the tree that ranges make, and little is fetched twice", async () => {
  const env = freshEnv();
  await hub.control({ bytesPerSecond: 6 * MiB });
  const killed = startDownload([...XET, "--quiet"], env);
  await untilSent(killed, hub, 4 * MiB);
  killed.child.kill("SIGKILL");
  expect((await killed.ended).code).toBeNull();
  await hub.control({ bytesPerSecond: 0 });
  const { code, stdout, stderr } = cli(["download", ...XET, "--json"], { env });
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("not in the chunk storage, so fetched by ranges: 1 of 2 files"),
  });
  expect(stderr).not.toMatch(/hf_|cas_|Signature/);
  expect(treeOf(env.HF_HUB_CACHE)).toEqual(expected);
  const { files } = JSON.parse(stdout) as DownloadResult;
  const { keptBytes, byteLength } = files.find(
    ({ name }) => name === SHARD,
  ) as DownloadResult["files"][number];
  expect(keptBytes).toBeGreaterThan(MiB);
  expect(await hub.bytesSent(SHARD)).toBeLessThan(byteLength + 0.5 * MiB);
  const log = await hub.log();
  const logins = log.map(({ origin, login = "no login" }) => `${origin}: ${login}`);
  expect([...new Set(logins)].sort()).toEqual(["cas: cas", "cdn: no login", "hub: hub"]);
  expect(log.filter(({ file }) => file === SHARD).every(({ path }) => path.startsWith("/xorbs/"))).toBe(true);
}, 60_000);

const on = "^cdn GET /xorbs";

test("cuts are gone on with, expired links asked for anew", async () => {
  await hub.control({
    rules: [
      { on, fault: { kind: "cut" }, count: 2 },
      { on, fault: { kind: "status", status: 403 }, after: 3, count: 1 },
    ],
  });
  const env = freshEnv();
  await download({ id: ID, transfer: "xet", jobs: 2, env, quiet: true });
  expect(treeOf(env.HF_HUB_CACHE)).toEqual(expected);
  expect((await hub.log()).flatMap(({ faults }) => faults).sort()).toEqual(["cut", "cut", "status"]);
}, 60_000);

test("a flipped bit of a chunk is found, replaced and reported", async () => {
  const byte = 3 * MiB + 17;
  await hub.control({ rules: [{ on, fault: { kind: "flip", byte }, count: 1 }] });
  const env = freshEnv();
  const { code, stdout, stderr } = cli(["download", ...XET, "--json"], { env });
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`bytes ${byte} to ${byte + 1} were wrong as they came`),
  });
  const shardResult = (JSON.parse(stdout) as DownloadResult).files.find(({ name }) => name === SHARD);
  expect(shardResult).toMatchObject({
    status: "mended",
    verifiedBy: "sha256",
    mended: [{ start: byte, end: byte + 1, where: "transfer" }],
  });
  expect(treeOf(env.HF_HUB_CACHE)).toEqual(expected);
}, 60_000);

test("a mirror has no chunks", async () => {
  const mirrored = cli(["download", ...XET, "--mirror", hub.plainUrl(ID)], { env: freshEnv() });
  expect(mirrored).toMatchObject({
    code: 64,
    stderr: expect.stringContaining("--mirror and --transfer xet"),
  });
});
