import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { lockOutput } from "../../tools/lib/output-lock.ts";
import { cli, cliCommand, ROOT } from "../support/cli.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
let reference = "";

beforeAll(async () => {
  await generateCheckpoint({
    folder: checkpoint,
    dims: { ...TINY_DIMS, hiddenSize: 512, expertCount: 32, expertWidth: 512 },
    seed: 11,
    storage: "official",
  });
  const out = join(folder, "reference.gguf");
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", out]).code).toBe(0);
  reference = sha256(out);
});

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

const linux = process.platform === "linux";
if (!linux) console.warn("SKIPPED: disk faults are injected through LD_PRELOAD, which this platform lacks");

/** The environment of a run on a misbehaving disk. */
function diskFaults(faults: Record<string, string>): NodeJS.ProcessEnv {
  const library = join(folder, "disk-faults.so");
  const source = join(ROOT, "test/crash/disk-faults.c");
  if (!existsSync(library))
    execFileSync(process.env.CC ?? "cc", ["-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"]);
  return { ...faults, LD_PRELOAD: library };
}

/** Starts a conversion on a slow disk and waits until a file appears: by default, until it is writing. */
async function startSlowly(out: string, awaited = `${out}.partial`) {
  const [command, ...args] = cliCommand(["quantize", checkpoint, "--bits", "4", "--out", out]);
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...diskFaults({ FAULT_DELAY_US: "20000" }) },
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  while (child.exitCode === null && !lstatSync(awaited, { throwIfNoEntry: false })) await sleep(1);
  return { child, ended };
}

/** A fresh folder for one run's outputs. */
let runs = 0;
const freshOut = (): string => join(folder, `run-${runs++}`, "out.gguf");
const left = (out: string): string[] =>
  existsSync(join(out, "..")) ? readdirSync(join(out, "..")).sort() : [];

test.skipIf(!linux)(
  "killed at any moment: nothing half-written under a final name, and the next run gives the same bytes",
  async () => {
    const random = seededRandom(5);
    const kills = FULL ? 60 : 6;
    let early = 0;
    for (let i = 0; i < kills; i++) {
      const out = freshOut();
      const { child, ended } = await startSlowly(out);
      await sleep(300 * random());
      child.kill("SIGKILL");
      await ended;
      if (!existsSync(out)) early++;
      else expect(sha256(out)).toBe(reference);
      const again = cli(["quantize", checkpoint, "--bits", "4", "--out", out, "--force"]);
      expect(again).toMatchObject({ code: 0, stderr: "" });
      expect(sha256(out)).toBe(reference);
      expect(left(out)).toEqual(["mtp-out.gguf", "out.gguf"]);
      rmSync(join(out, ".."), { recursive: true });
    }
    // Kills that came after the end prove nothing; most must have hit a run at work.
    expect(early).toBeGreaterThan(kills / 2);
  },
  900_000,
);

test.skipIf(!linux)("Ctrl-C leaves nothing behind and exits 130", async () => {
  const out = freshOut();
  const { child, ended } = await startSlowly(out);
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += String(chunk);
  });
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(stderr).toMatch(/^v4kit: interrupted/);
  expect(left(out)).toEqual([]);
});

test("two processes on one output: the second is refused; a dead one's lock is taken over", async () => {
  const out = freshOut();
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", out]).code).toBe(0);
  const release = await lockOutput(out);
  const refused = cli(["quantize", checkpoint, "--bits", "4", "--out", out, "--force"]);
  expect(refused.code).toBe(75);
  expect(refused.stderr).toContain(`process ${process.pid} on ${hostname()} is writing this output`);
  await release();
  const dead = spawn("true");
  await new Promise((resolve) => dead.once("exit", resolve));
  symlinkSync(JSON.stringify({ pid: dead.pid, host: hostname(), started: "1" }), `${out}.lock`);
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", out, "--force"])).toMatchObject({
    code: 0,
    stderr: "",
  });
  // A reused pid is another process: this one lives, but it did not start at tick 1.
  symlinkSync(JSON.stringify({ pid: process.pid, host: hostname(), started: "1" }), `${out}.lock`);
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", out, "--force"]).code).toBe(
    existsSync("/proc/self/stat") ? 0 : 75,
  );
  expect(sha256(out)).toBe(reference);
});

test.skipIf(!linux)("killed while it takes its locks: the next run takes them over", async () => {
  for (const name of ["out.gguf", "mtp-out.gguf"]) {
    const out = freshOut();
    const lock = join(out, "..", `${name}.lock`);
    const { child, ended } = await startSlowly(out, lock);
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(out)).toBe(false);
    expect(cli(["quantize", checkpoint, "--bits", "4", "--out", out])).toMatchObject({ code: 0, stderr: "" });
    expect(sha256(out)).toBe(reference);
  }
});

/** Runs the command line with a misbehaving disk. */
const withDiskFaults = (faults: Record<string, string>, args: readonly string[]) =>
  cli(args, { env: diskFaults(faults) });

test.skipIf(!linux)(
  "a disk that fills up while writing: exit 74, nothing remains, and it works once there is space",
  () => {
    const out = freshOut();
    for (const budget of [0, 100, 1_000_000, 6_000_000]) {
      const { code, stderr } = withDiskFaults({ FAULT_WRITE_BUDGET: String(budget) }, [
        "quantize",
        checkpoint,
        "--bits",
        "4",
        "--out",
        out,
      ]);
      expect(code).toBe(74);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(stderr).toContain("the disk is full");
      expect(left(out)).toEqual([]);
    }
    expect(cli(["quantize", checkpoint, "--bits", "4", "--out", out]).code).toBe(0);
    expect(sha256(out)).toBe(reference);
  },
);

test.skipIf(!linux)("short reads and short writes do not show in the bytes", () => {
  const out = freshOut();
  const { code, stderr } = withDiskFaults({ FAULT_SHORT: "4093" }, [
    "quantize",
    checkpoint,
    "--bits",
    "4",
    "--out",
    out,
  ]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(sha256(out)).toBe(reference);
});

test.skipIf(!linux)("too little space is said before anything is written", () => {
  const mounted = join(folder, "small-disk");
  const script = `mkdir -p ${mounted} && mount -t tmpfs -o size=1m tmpfs ${mounted} && exec "$@"`;
  const inNamespace = (args: readonly string[]) => {
    try {
      return {
        stdout: execFileSync(
          "unshare",
          ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", ...args],
          { stdio: "pipe", encoding: "utf8" },
        ),
        code: 0,
        stderr: "",
      };
    } catch (error) {
      const { status, stderr, stdout } = error as { status: number; stderr: string; stdout: string };
      return { code: status, stderr, stdout };
    }
  };
  if (inNamespace(["true"]).code !== 0) {
    console.warn("SKIPPED: no user and mount namespaces here, so no small disk to write to");
    return;
  }
  const { code, stderr } = inNamespace(
    cliCommand(["quantize", checkpoint, "--bits", "4", "--out", join(mounted, "out.gguf")]),
  );
  expect(stderr).toMatch(/not enough free space/);
  expect(code).toBe(74);
});

test("an output inside something that is no folder", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const result = cli(["quantize", checkpoint, "--bits", "4", "--out", join(file, "out.gguf")]);
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
  expect(result.stderr).toContain("not what the path says");
  expect(result.code).toBe(66);
});
