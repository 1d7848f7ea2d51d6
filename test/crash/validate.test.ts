import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import type { ValidationReport } from "../../tools/validate/report.ts";
import { openRunFolder } from "../../tools/validate/run-folder.ts";
import { cli, cliCommand } from "../support/cli.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
const artefact = join(folder, "artefact.gguf");
let reference: Record<string, unknown>;
let code: number | null;

beforeAll(async () => {
  const dims = { ...TINY_DIMS, layerCount: 10 };
  await generateCheckpoint({ folder: checkpoint, dims, seed: 11, storage: "official" });
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", artefact]).code).toBe(0);
  // Random weights leave many near-ties: the verdict is what it is, and must be the same every time.
  const undisturbed = run(join(folder, "undisturbed"));
  code = undisturbed.code;
  expect([0, 1]).toContain(code);
  reference = facts(undisturbed.stdout);
});

const argumentsOf = (out: string, ...more: string[]): string[] => [
  ...["validate", artefact, "--reference", checkpoint, "--tokens", "400", "--out", out, "--json", "--quiet"],
  ...more,
];
const run = (out: string, ...more: string[]) => cli(argumentsOf(out, ...more));

/** What a report says, without what differs from run to run. */
function facts(stdout: string): Record<string, unknown> {
  const { elapsedMs: _, out: __, ...rest } = JSON.parse(stdout) as ValidationReport;
  return rest;
}

function start(out: string) {
  const [command, ...args] = cliCommand(argumentsOf(out));
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, ended, stderr: () => stderr };
}

const journalOf = (out: string): string => join(out, "unfinished/journal.jsonl");
const linesOf = (out: string, kind: string): string[] =>
  existsSync(journalOf(out))
    ? readFileSync(journalOf(out), "utf8")
        .split("\n")
        .filter((line) => line.includes(`"kind":"${kind}"`))
    : [];

async function waitForLayers(out: string, count: number, running: () => boolean): Promise<void> {
  while (running() && linesOf(out, "layer").length < count) await sleep(2);
}

let runs = 0;
const freshOut = (): string => join(folder, `run-${runs++}`);

test("killed at any moment: the next run goes on, and reports what an undisturbed one does", async () => {
  const random = seededRandom(7);
  for (let i = 0; i < (FULL ? 20 : 3); i++) {
    const out = freshOut();
    const { child, ended } = start(out);
    await waitForLayers(out, 1 + Math.floor(8 * random()), () => child.exitCode === null);
    await sleep(40 * random());
    child.kill("SIGKILL");
    await ended;
    const layers = linesOf(out, "layer");
    const again = run(out);
    expect(again).toMatchObject({ code, stderr: "" });
    expect(facts(again.stdout)).toEqual(reference);
    expect(readdirSync(out).sort()).toEqual([
      "layers.arrow",
      "positions.arrow",
      "report.json",
      "tensors.arrow",
    ]);
    expect(layers.length).toBeGreaterThan(0);
  }
}, 600_000);

test("Ctrl-C says how to go on, and finished layers are not run again", async () => {
  const out = freshOut();
  const { child, ended, stderr } = start(out);
  await waitForLayers(out, 3, () => child.exitCode === null);
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(stderr()).toMatch(/^v4kit: interrupted.*same command/);
  const before = linesOf(out, "layer");
  expect(before.length).toBeGreaterThanOrEqual(3);
  // The second run is stopped too: what it added stands behind what was there.
  const second = start(out);
  await waitForLayers(out, before.length + 2, () => second.child.exitCode === null);
  second.child.kill("SIGKILL");
  await second.ended;
  if (existsSync(journalOf(out))) expect(linesOf(out, "layer").slice(0, before.length)).toEqual(before);
  expect(facts(run(out).stdout)).toEqual(reference);
});

test("other prompts over an unfinished run are refused with the difference; --restart begins anew", async () => {
  const out = freshOut();
  const { child, ended } = start(out);
  await waitForLayers(out, 2, () => child.exitCode === null);
  child.kill("SIGKILL");
  await ended;
  const refused = run(out, "--numerics", "qat");
  expect(refused.code).toBe(64);
  expect(refused.stderr).toMatch(/numerics differs.*expected fp32, found qat.*--restart/);
  const restarted = run(out, "--numerics", "qat", "--restart");
  expect(facts(restarted.stdout)).toMatchObject({ numerics: "qat" });
});

test("two runs in one folder: the second is refused", async () => {
  const out = freshOut();
  const held = await openRunFolder(out, { a: 1 }, false);
  expect(run(out).code).toBe(75);
  await held.close();
});

test("a journal whose last line is torn loses that line alone", async () => {
  const out = freshOut();
  const folderOf = await openRunFolder<{ kind: string }>(out, { a: 1 }, false);
  await folderOf.record({ kind: "x" }, { kind: "y" });
  await folderOf.close();
  appendFileSync(journalOf(out), '{"kind":"z"');
  const again = await openRunFolder<{ kind: string }>(out, { a: 1 }, false);
  expect(again.finished).toEqual([{ kind: "x" }, { kind: "y" }]);
  await again.record({ kind: "w" });
  await again.close();
  const last = await openRunFolder<{ kind: string }>(out, { a: 1 }, false);
  expect(last.finished).toEqual([{ kind: "x" }, { kind: "y" }, { kind: "w" }]);
  await last.close();
});
