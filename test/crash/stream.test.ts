import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { checkManifest } from "../../tools/validate/check-manifest.ts";
import type { Fault } from "../fixtures/hub-server/protocol.ts";
import { cliCommand } from "../support/cli.ts";
import { convert, failureOf, identityOf, journalOf } from "../support/conversions.ts";
import { startHub } from "../support/hub.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";
import { shardOf, shardPaths } from "../support/shards.ts";
import { convertStreamed } from "../support/streams.ts";

const ID = "deepseek-ai/DeepSeek-V4-Flash";
const RECIPE = "lossless-4";
const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
await generateCheckpoint({
  folder: checkpoint,
  dims: { ...TINY_DIMS, layerCount: 2, expertCount: FULL ? 32 : 16 },
  seed: 31,
  storage: "official",
});
const hub = await startHub({ [ID]: { folder: checkpoint } });
const reference = join(folder, "reference", "model.gguf");
await convert({ source: checkpoint, recipe: RECIPE, out: reference });
const identity = identityOf(reference);

let runs = 0;
const fresh = (): string => join(folder, `run-${runs++}`, "model.gguf");

beforeEach(async () => {
  await hub.calm();
  await hub.clearLog();
});

/** Streams as a process of its own, which is killed when the server has sent so many bytes. Returns the exit code. */
async function streamAndKill(out: string, atBytes: number): Promise<number | null> {
  await hub.clearLog();
  const [command, ...args] = cliCommand([
    ...["quantize", "--variant", "flash", "--stream", "--recipe", RECIPE, "--out", out],
    ...["--window", "1MiB", "--jobs", "3", "--workers", "2", "--quiet"],
  ]);
  const child = spawn(command, args, { stdio: "ignore", env: { ...process.env, ...hub.env } });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  while (child.exitCode === null && child.signalCode === null) {
    if ((await hub.bytesSent()) >= atBytes) child.kill("SIGKILL");
    await sleep(2);
  }
  return ended;
}

test("killed wherever the transfer is, and again while it goes on: the bytes of a local run, and no window is left", async () => {
  const random = seededRandom(8);
  const kills = FULL ? 30 : 2;
  // Slow enough that a kill finds it at work.
  await hub.control({ bytesPerSecond: FULL ? 12_000_000 : 4_000_000 });
  const whole = shardPaths(checkpoint).reduce((sum, path) => sum + statSync(path).size, 0);
  let [hit, atWork] = [0, 0];
  while (hit < kills) {
    const out = fresh();
    for (let inRow = 0; inRow < 3 && hit < kills; inRow++) {
      const code = await streamAndKill(out, whole * random());
      // What is left may be less than the kill waits for: then the run ends.
      if (code !== null) {
        expect(code).toBe(0);
        break;
      }
      hit++;
      if (existsSync(journalOf(out))) atWork++;
      expect(existsSync(out)).toBe(false);
    }
    await hub.clearLog();
    await convertStreamed({ hub, id: ID, recipe: RECIPE, out });
    expect(identityOf(out)).toEqual(identity);
    expect(readdirSync(dirname(out)).sort()).toEqual(["model.gguf", "model.v4kit", "mtp-model.gguf"]);
    expect(readdirSync(join(dirname(out), "model.v4kit"))).not.toContain("window");
    rmSync(dirname(out), { recursive: true });
  }
  if (FULL) expect(atWork).toBeGreaterThan(0.5 * kills);
}, 600_000);

test("through cuts, refusals, wrong ranges and lies about lengths: the same bytes", async () => {
  const faults: readonly Fault[] = [
    { kind: "cut" },
    { kind: "status", status: 503 },
    { kind: "status", status: 429, retryAfter: 0 },
    { kind: "shift", bytes: 1, admitted: true },
    { kind: "total", add: 1 },
    { kind: "length", add: -1 },
    { kind: "whole" },
  ];
  const on = "^cdn GET .*safetensors";
  // Together fewer than what a reader gives up after, wherever they fall.
  await hub.control({ rules: faults.map((fault, i) => ({ fault, on, after: 2 * i, count: 1 })) });
  const out = fresh();
  const retries: string[] = [];
  await convertStreamed({
    ...{ hub, id: ID, recipe: RECIPE, out, windowBytes: 2 ** 20 },
    onRetry: (line) => retries.push(line),
  });
  expect(identityOf(out)).toEqual(identity);
  const struck = new Set((await hub.log()).flatMap((line) => line.faults));
  expect([...struck].sort()).toEqual([...new Set(faults.map(({ kind }) => kind))].sort());
  expect(retries.length).toBeGreaterThanOrEqual(struck.size);
});

test("a server that stays broken ends the run with its reason, and the same call goes on", async () => {
  const out = fresh();
  const last = basename(shardPaths(checkpoint).at(-1) as string);
  await hub.control({
    rules: [{ fault: { kind: "status", status: 503 }, on: `^cdn GET .*${last}`, after: 4 }],
  });
  const streamed = { hub, id: ID, recipe: RECIPE, out, windowBytes: 2 ** 20 };
  expect(await failureOf(convertStreamed(streamed))).toMatch(/^75 .*503/);
  await hub.calm();
  const { resumed } = await convertStreamed(streamed);
  expect(resumed).toBeGreaterThan(0);
  expect(identityOf(out)).toEqual(identity);
});

test("a bit that flips on the way shows where the manifest says: when the artefact is compared with the source", async () => {
  const tensor = "layers.0.ffn.experts.3.w1.weight";
  const { path, header } = shardOf(checkpoint, tensor);
  const dataStart = 8 + Number(readFileSync(path).readBigUInt64LE(0));
  const byte = dataStart + header[tensor].data_offsets[0] + 100;
  await hub.control({ rules: [{ fault: { kind: "flip", byte }, on: basename(path) }] });
  const out = fresh();
  await convertStreamed({ hub, id: ID, recipe: RECIPE, out });
  expect(identityOf(out)).not.toEqual(identity);
  const checked = await checkManifest({ artefact: out, reference: checkpoint, threads: 1, quiet: true });
  expect(checked.findings).toMatchObject([{ what: "not the values of the source", where: tensor }]);
});
