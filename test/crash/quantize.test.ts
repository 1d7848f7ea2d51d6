import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { lockOutput } from "../../tools/lib/output-lock.ts";
import { type CliResult, cli, cliCommand } from "../support/cli.ts";
import {
  type Conversion,
  commandOf,
  convert,
  failureOf,
  identityOf,
  journalLines,
  journalOf,
  sha256,
} from "../support/conversions.ts";
import { diskFaults, inNamespace } from "../support/disks.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";
import { copyCheckpoint, shardPaths } from "../support/shards.ts";

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
const gguf: Omit<Conversion, "out"> = { source: checkpoint, recipe: "lossless-4" };
const nvfp4: Omit<Conversion, "out"> = { source: checkpoint, recipe: "nvfp4" };
const kinds = [
  { kind: "a GGUF and its sidecar", conversion: gguf, name: "model.gguf" },
  { kind: "a folder", conversion: nvfp4, name: "model" },
] as const;
type Kind = (typeof kinds)[number];
/** By name: the identity, and how many steps and bytes a run takes. */
const reference = new Map<string, { identity: string[]; steps: number; bytes: number }>();

const linux = process.platform === "linux";
if (!linux) console.warn("SKIPPED: disk faults are injected through LD_PRELOAD, which this platform lacks");

beforeAll(async () => {
  // Enough experts for the journal to be synced several times.
  const dims = { ...TINY_DIMS, layerCount: 2, expertCount: 64 };
  await generateCheckpoint({ folder: checkpoint, dims, seed: 11, storage: "official" });
  for (const { conversion, name } of kinds) {
    const out = join(folder, "reference", name);
    const count = join(folder, `${name}.count`);
    if (linux)
      expect(withFaults({ FAULT_COUNT: count }, { ...conversion, out })).toMatchObject({
        code: 0,
        stderr: "",
      });
    else await convert({ ...conversion, out });
    const [steps, bytes] = linux ? readFileSync(count, "utf8").split(" ").map(Number) : [0, 0];
    reference.set(name, { identity: identityOf(out), steps, bytes });
  }
});

const withFaults = (faults: Record<string, string | number>, conversion: Conversion): CliResult =>
  cli(commandOf(conversion), { env: diskFaults(folder, faults) });

/** A place in a fresh folder. */
let runs = 0;
const fresh = (name: string): string => join(folder, `run-${runs++}`, name);
const left = (out: string): string[] => (existsSync(dirname(out)) ? readdirSync(dirname(out)).sort() : []);
const complete = (name: string): string[] =>
  name === "model" ? ["model", "model.v4kit"] : ["model.gguf", "model.v4kit", "mtp-model.gguf"];

const filesOf = (out: string): string[] =>
  out.endsWith(".gguf")
    ? [out, join(dirname(out), "mtp-model.gguf")]
    : existsSync(out)
      ? readdirSync(out).map((file) => join(out, file))
      : [];

/** Hashes of what lies under final names. */
const finals = (out: string): string[] =>
  filesOf(out)
    .filter((path) => existsSync(path))
    .map(sha256);

/** Whatever lies under a final name is one of these artefacts' files, whole. */
function expectWhole(out: string, ...identities: (readonly string[])[]): void {
  const known = new Set(identities.flat().map((line) => line.split(" ").at(-1)));
  for (const hash of finals(out)) expect(known).toContain(hash);
}

async function expectResumed({ conversion, name }: Kind, out: string, force = false): Promise<number> {
  const { resumed, status } = await convert({ ...conversion, out, force });
  expect(["done", "up to date"]).toContain(status);
  expect(identityOf(out)).toEqual(reference.get(name)?.identity);
  expect(left(out)).toEqual(complete(name));
  expect(existsSync(journalOf(out))).toBe(false);
  return resumed;
}

test.skipIf(!linux).each(kinds)(
  "$kind, killed in the middle of writes, several times in a row: the same bytes, and work is not done again",
  async (kind) => {
    const { conversion, name } = kind;
    const { identity, bytes } = reference.get(name) as { identity: string[]; bytes: number };
    const random = seededRandom(5);
    const kills = FULL ? 50 : 2;
    let [hit, atWork, mostResumed] = [0, 0, 0];
    while (hit < kills) {
      const out = fresh(name);
      for (let inRow = 0; inRow < 5 && hit < kills; inRow++) {
        const { code } = withFaults(
          { FAULT_KILL_BYTES: Math.floor(bytes * random()) },
          { ...conversion, out },
        );
        expectWhole(out, identity);
        // What is left may be less than the kill waits for: then the run ends.
        if (code !== null) {
          expect(code).toBe(0);
          break;
        }
        hit++;
        if (finals(out).length === 0 && existsSync(journalOf(out))) atWork++;
      }
      mostResumed = Math.max(mostResumed, await expectResumed(kind, out));
      rmSync(dirname(out), { recursive: true });
    }
    expect(atWork).toBeGreaterThanOrEqual(0.8 * kills);
    if (FULL) expect(mostResumed).toBeGreaterThan(200);
  },
  900_000,
);

/** Moments to be killed at: all in the full tier; else some, from every part of a run. */
function moments(steps: number, sampled: number, seed: number): number[] {
  const all = Array.from({ length: steps }, (_, i) => i + 1);
  if (FULL) return all;
  const random = seededRandom(seed);
  return Array.from({ length: sampled }, (_, i) => all[Math.floor(((i + random()) / sampled) * steps)]);
}

test.skipIf(!linux).each(kinds)(
  "$kind, killed at any step (folders, locks, journal, syncs, renames, removals): the same bytes",
  async (kind) => {
    const { conversion, name } = kind;
    const { identity, steps } = reference.get(name) as { identity: string[]; steps: number };
    for (const step of moments(steps, 2, 6)) {
      const out = fresh(name);
      const { code } = withFaults({ FAULT_KILL_STEP: step }, { ...conversion, out });
      // The number of journal syncs follows the clock, so the last steps may not come.
      if (code !== null) expect([code, step > steps - 4]).toEqual([0, true]);
      expectWhole(out, identity);
      await expectResumed(kind, out);
      rmSync(dirname(out), { recursive: true });
    }
  },
  900_000,
);

test.skipIf(!linux).each(kinds)(
  "$kind, killed while it replaces another: the old files or the new ones, whole, and never a manifest that lies",
  async (kind) => {
    const { conversion, name } = kind;
    const { identity, steps } = reference.get(name) as { identity: string[]; steps: number };
    const old = { ...conversion, recipe: name === "model" ? "int4-g128" : "q8" };
    const before = fresh(name);
    await convert({ ...old, out: before });
    const oldIdentity = identityOf(before);
    // What matters is at the end.
    for (const step of moments(steps, 6, 7).slice(FULL ? -20 : -2)) {
      const out = fresh(name);
      execFileSync("cp", ["-r", dirname(before), dirname(out)]);
      const { code } = withFaults({ FAULT_KILL_STEP: step }, { ...conversion, out, force: true });
      if (code !== null) expect(code).toBe(0);
      expectWhole(out, identity, oldIdentity);
      if (step % 2 === 0) {
        // Giving up instead: what is there stays, and nothing passes for what it is not.
        await failureOf(convert({ ...conversion, out, restart: true }));
        expect(finals(out).length).toBe(name === "model" ? finals(out).length : 2);
        expect(finals(out).length).toBeGreaterThan(1);
        for (const recipe of [conversion.recipe, old.recipe]) {
          const failure = await failureOf(convert({ ...conversion, recipe, out }));
          if (failure === "0") {
            const [files] = recipe === old.recipe ? [oldIdentity] : [identity];
            expect(identityOf(out)).toEqual(files);
          } else expect(failure).toMatch(/^64 .*exists already/);
        }
      }
      await expectResumed(kind, out, true);
      rmSync(dirname(out), { recursive: true });
    }
  },
  900_000,
);

/** Starts a conversion on a slow disk and waits until `isTime`. */
async function startSlowly(conversion: Conversion, isTime: () => boolean) {
  const [command, ...args] = cliCommand(commandOf(conversion));
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...diskFaults(folder, { FAULT_DELAY_US: "20000" }) },
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  while (child.exitCode === null && !isTime()) await sleep(1);
  return { child, ended, stderr: () => stderr };
}

const isWriting = (out: string) => (): boolean =>
  (statSync(`${out}.partial`, { throwIfNoEntry: false })?.blocks ?? 0) > 8;

test.skipIf(!linux)("Ctrl-C exits 130, says how to go on, and keeps what is finished", async () => {
  const [kind] = kinds;
  const out = fresh(kind.name);
  const { child, ended, stderr } = await startSlowly({ ...gguf, out }, isWriting(out));
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(stderr()).toBe("v4kit: interrupted (SIGINT), the same command goes on where it stopped\n");
  const pieces = journalLines(out).length - 1;
  expect(pieces).toBeGreaterThan(0);
  expect(await expectResumed(kind, out)).toBe(pieces);
});

test.skipIf(!linux)("a source that changes under a run: exit 65, nothing under the final name", async () => {
  const changes: readonly ((shard: string) => void)[] = [
    (shard) => appendFileSync(shard, "x"),
    (shard) => {
      const bytes = readFileSync(shard);
      bytes[bytes.length - 1] ^= 1;
      rmSync(shard);
      writeFileSync(shard, bytes);
    },
  ];
  for (const [i, change] of changes.entries()) {
    const source = copyCheckpoint(checkpoint, join(folder, `changing-${i}`));
    const out = fresh("model.gguf");
    const { ended, stderr } = await startSlowly({ ...gguf, source, out }, isWriting(out));
    change(shardPaths(source).at(-1) as string);
    expect(await ended).toBe(65);
    expect(stderr()).toMatch(/^v4kit: .*the source changed while it was being read.*--restart\n$/);
    expect(finals(out)).toEqual([]);
    expect(await failureOf(convert({ ...gguf, source, out }))).toMatch(
      i === 0 ? /^65 .*1 bytes follow the last tensor/ : /^64 .*the source differs/,
    );
    if (!FULL) break;
  }
});

test("two processes on one output: the second is refused; a dead one's lock is taken over", async () => {
  const [kind] = kinds;
  const out = fresh(kind.name);
  const sidecar = join(dirname(out), "model.v4kit");
  mkdirSync(sidecar, { recursive: true });
  const release = await lockOutput(join(sidecar, "run"));
  const refused = cli(commandOf({ ...gguf, out }));
  expect(refused.code).toBe(75);
  expect(refused.stderr).toContain(`process ${process.pid} on ${hostname()} is writing this output`);
  expect(readdirSync(sidecar)).toEqual(["run.lock"]);
  await release();
  const dead = spawn("true");
  await new Promise((resolve) => dead.once("exit", resolve));
  const lock = (pid: number | undefined) =>
    symlinkSync(JSON.stringify({ pid, host: hostname(), started: "1" }), join(sidecar, "run.lock"));
  lock(dead.pid);
  await expectResumed(kind, out);
  // A reused pid is another process: this one lives, but it did not start at tick 1.
  lock(process.pid);
  expect(await failureOf(convert({ ...gguf, out, force: true }))).toMatch(
    existsSync("/proc/self/stat") ? /^0$/ : /^75 /,
  );
});

test.skipIf(!linux).each(kinds)(
  "$kind, on a disk that fills up: exit 74; with space again the same command does the rest alone",
  async (kind) => {
    const { conversion, name } = kind;
    const { bytes } = reference.get(name) as { bytes: number };
    const out = fresh(name);
    const count = join(folder, "enospc.count");
    let through = 0;
    for (const share of FULL ? [0, 0.001, 0.3, 0.3, 0.2] : [0, 0.6]) {
      const { code, stderr } = withFaults(
        { FAULT_WRITE_BUDGET: Math.floor(share * bytes) },
        { ...conversion, out },
      );
      expect(code).toBe(74);
      expect(stderr).toMatch(/^v4kit: [^\n]*the disk is full; free space and run the same command again\n$/);
      if (share === 0) expect(left(out)).toEqual([]);
      through += share * bytes;
    }
    const pieces = new Set(
      journalLines(out)
        .slice(1)
        .map((line) => (JSON.parse(line) as { piece: number }).piece),
    ).size;
    expect(pieces).toBeGreaterThan(0);
    const last = withFaults({ FAULT_COUNT: count }, { ...conversion, out });
    expect(last).toMatchObject({ code: 0, stderr: "" });
    const written = Number(readFileSync(count, "utf8").split(" ")[1]);
    // Some pieces were in flight when space ran out; headers and small files are written again.
    expect(written).toBeLessThan(bytes - 0.5 * through);
    expect(identityOf(out)).toEqual(reference.get(name)?.identity);
    expect(left(out)).toEqual(complete(name));
  },
);

test.skipIf(!linux)("short reads and short writes do not show in the bytes", () => {
  const out = fresh("model.gguf");
  expect(withFaults({ FAULT_SHORT: "4093" }, { ...gguf, out })).toMatchObject({ code: 0, stderr: "" });
  expect(identityOf(out)).toEqual(reference.get("model.gguf")?.identity);
});

test.skipIf(!linux)("too little space and a read-only folder are said before anything is written", () => {
  const mounted = join(folder, "mounted");
  mkdirSync(mounted);
  if (inNamespace(`mount -t tmpfs -o size=1m tmpfs ${mounted}`, ["true"]).code !== 0) {
    console.warn(
      "SKIPPED: no user and mount namespaces here, so neither a small nor a read-only disk to write to",
    );
    return;
  }
  for (const { conversion, name } of kinds) {
    const command = cliCommand(commandOf({ ...conversion, out: join(mounted, name) }));
    const small = inNamespace(`mount -t tmpfs -o size=1m tmpfs ${mounted}`, command);
    expect(small.stderr).toMatch(/^v4kit: [^\n]*not enough free space[^\n]*\n$/);
    expect(small.code).toBe(74);
    const readOnly = inNamespace(`mount -t tmpfs -o ro tmpfs ${mounted}`, command);
    expect(readOnly.stderr).toMatch(/^v4kit: [^\n]*not permitted \(EROFS\)[^\n]*\n$/);
    expect(readOnly.code).toBe(77);
  }
});

test("an output inside something that is no folder", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(await failureOf(convert({ ...gguf, out: join(file, "out.gguf") }))).toMatch(
    /^66 .*not what the path says/,
  );
  expect(lstatSync(file).size).toBe(0);
});
