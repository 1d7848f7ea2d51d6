import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { openAppendLog } from "../../tools/lib/append-log.ts";
import { openRunFolder } from "../../tools/validate/run-folder.ts";
import { cli, cliCommand } from "../support/cli.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
const artefact = join(folder, "artefact.gguf");

beforeAll(async () => {
  await generateCheckpoint({ folder: checkpoint, dims: TINY_DIMS, seed: 11, storage: "official" });
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", artefact]).code).toBe(0);
});

const command = (out: string, tokens = 600): string[] => [
  "validate",
  artefact,
  "--reference",
  checkpoint,
  "--tokens",
  String(tokens),
  "--out",
  out,
];

const journalOf = (out: string): string => join(out, "unfinished/journal.jsonl");
const journal = (out: string): string[] =>
  existsSync(journalOf(out)) ? readFileSync(journalOf(out), "utf8").split("\n").slice(0, -1) : [];

/** Starts a run and waits until its journal has so many lines. */
async function start(out: string, lines: number) {
  const [program, ...args] = cliCommand(command(out));
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  while (child.exitCode === null && journal(out).length < lines) await sleep(2);
  return { child, ended, stderr: () => stderr };
}

/** What a run leaves, without what no two runs share. */
function results(out: string) {
  const report = JSON.parse(readFileSync(join(out, "report.json"), "utf8")) as Record<string, unknown>;
  const tables = ["tensors", "layers", "positions"].map((name) =>
    readFileSync(join(out, `${name}.arrow`)).toString("base64"),
  );
  return { report: { ...report, out: "", elapsedMs: 0 }, tables, files: readdirSync(out).sort() };
}

test("killed at any moment, the same command goes on and gives the same files", async () => {
  const undisturbed = join(folder, "undisturbed");
  expect(cli(command(undisturbed)).code).toBe(0);
  const random = seededRandom(9);
  const kills = FULL ? 20 : 3;
  let early = 0;
  for (let i = 0; i < kills; i++) {
    const out = join(folder, `killed-${i}`);
    const { child, ended } = await start(out, i % 3 === 0 ? 1 : 214 + (i % 3));
    await sleep(500 * random());
    child.kill("SIGKILL");
    await ended;
    if (!existsSync(join(out, "report.json"))) early++;
    expect(cli(command(out)).code).toBe(0);
    expect(results(out)).toEqual(results(undisturbed));
  }
  expect(early).toBeGreaterThan(kills / 2);
}, 900_000);

test("what a run left when it died while writing its report is written over", async () => {
  const out = join(folder, "left");
  expect(cli(command(out)).code).toBe(0);
  for (const name of ["report.json", "tensors.arrow"]) writeFileSync(join(out, `${name}.partial`), "half of");
  expect(cli(command(out)).code).toBe(0);
  expect(readdirSync(out).filter((name) => name.endsWith(".partial"))).toEqual([]);
});

test("Ctrl-C exits 130, says how to go on, and finished layers are taken from the journal", async () => {
  const out = join(folder, "interrupted");
  // The journal's head, 212 tensors, the embedding, a layer.
  const { child, ended, stderr } = await start(out, 215);
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(stderr()).toContain("the same command goes on where it stopped");
  expect(readdirSync(out)).toEqual(["unfinished"]);
  const other = cli(command(out, 300));
  expect(other.code).toBe(64);
  expect(other.stderr).toContain("an unfinished validation of something else lies here: prompts differs");
  expect(other.stderr).toContain("--restart");
  // A mark in the journal's first layer must show in the report: the layer was not run again.
  const marked = journal(out).map((line) => {
    const piece = JSON.parse(line) as { kind?: string; row?: { layer: number; rms: number } };
    if (piece.kind === "layer" && piece.row?.layer === 0) piece.row.rms = 1234.5;
    return JSON.stringify(piece);
  });
  expect(marked.some((line) => line.includes("1234.5"))).toBe(true);
  writeFileSync(journalOf(out), marked.map((line) => `${line}\n`).join(""));
  expect(cli(command(out)).code).toBe(0);
  expect(results(out).report).toMatchObject({ layers: { 0: { rms: 1234.5 } } });
});

test("two runs in one folder: the second is refused", async () => {
  const out = join(folder, "held");
  const held = await openRunFolder(out, { v4kit: "x" }, false);
  const second = cli(command(out));
  expect([second.code, second.stderr]).toEqual([75, expect.stringContaining("is writing this output")]);
  await held.close();
});

test("--restart begins anew over another unfinished run", async () => {
  const out = join(folder, "restarted");
  const { child, ended } = await start(out, 1);
  child.kill("SIGKILL");
  await ended;
  expect(cli([...command(out, 131), "--restart"]).code).toBe(0);
  expect(results(out).report).toMatchObject({ prompts: { tokens: 131 } });
});

test("the journal keeps numbers that JSON cannot write, and cuts off a torn line", async () => {
  const path = join(folder, "journal.jsonl");
  const lines = [
    { a: Number.NaN, b: [Number.POSITIVE_INFINITY, 1], c: "NaN", d: null },
    Number.NEGATIVE_INFINITY,
  ];
  const log = await openAppendLog(path);
  await log.append(...lines);
  await log.close();
  writeFileSync(path, '{"torn', { flag: "a" });
  const again = await openAppendLog(path);
  expect(again.lines).toEqual(lines);
  await again.append("next");
  await again.close();
  const third = await openAppendLog(path);
  expect(third.lines).toEqual([...lines, "next"]);
  await third.close();
});
