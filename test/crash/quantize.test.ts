import { spawn } from "node:child_process";
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
import { expect, test } from "vitest";
import { lockOutput } from "../../tools/lib/output-lock.ts";
import { cli, cliCommand } from "../support/cli.ts";
import { complete, conversionGround, FOLDER, finals, GGUF, left } from "../support/conversion-ground.ts";
import {
  type Conversion,
  commandOf,
  convert,
  failureOf,
  identityOf,
  journalLines,
} from "../support/conversions.ts";
import { diskFaults, inNamespace } from "../support/disks.ts";
import { FULL } from "../support/scratch.ts";
import { copyCheckpoint, shardPaths } from "../support/shards.ts";

const KINDS = [GGUF, FOLDER];
const { folder, checkpoint, linux, conversionOf, reference, withFaults, fresh, expectResumed } =
  conversionGround(KINDS);
const gguf = conversionOf(GGUF);

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
  const kind = GGUF;
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
  const kind = GGUF;
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

test.skipIf(!linux).each(KINDS)(
  "$kind, on a disk that fills up: exit 74; with space again the same command does the rest alone",
  async (kind) => {
    const conversion = conversionOf(kind);
    const { bytes } = reference(kind);
    const out = fresh(kind.name);
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
    expect(identityOf(out)).toEqual(reference(kind).identity);
    expect(left(out)).toEqual(complete(kind));
  },
);

test.skipIf(!linux)("short reads and short writes do not show in the bytes", () => {
  const out = fresh("model.gguf");
  expect(withFaults({ FAULT_SHORT: "4093" }, { ...gguf, out })).toMatchObject({ code: 0, stderr: "" });
  expect(identityOf(out)).toEqual(reference(GGUF).identity);
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
  for (const kind of KINDS) {
    const command = cliCommand(commandOf({ ...conversionOf(kind), out: join(mounted, kind.name) }));
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
