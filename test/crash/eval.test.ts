import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { longContextTasks } from "../../evals/longctx/long-context-tasks.ts";
import { createPromptEncoder } from "../../evals/run/prompts.ts";
import type { SampleRow } from "../../evals/run/row.ts";
import { openTokenizerAt } from "../../tools/checkpoint/open-tokenizer.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import type { FaultName } from "../fixtures/eval-server/faults.ts";
import { cliCommand } from "../support/cli.ts";
import { startEvalServer, type TestEvalServer } from "../support/eval-server.ts";
import { reportsOf } from "../support/evals.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const folder = scratchFolder();

const LENGTHS = [256, 320];
const DEPTHS = [0, 25, 50, 75, 100];
const SAMPLES = FULL ? 100 : 10;
const COUNT = LENGTHS.length * DEPTHS.length * SAMPLES;

let server: TestEvalServer;
beforeAll(async () => {
  server = await startEvalServer({ checkpoint: DEMO_CHECKPOINT });
});
afterAll(() => server.stop());

/** Faults that cost a reply, and those that do not. */
const LOSING: Partial<Record<FaultName, number>> = {
  "429": 0.04,
  "429-retry-after": 0.04,
  "500": 0.04,
  "503": 0.04,
  reset: 0.04,
  cut: 0.04,
  stall: 0.04,
  malformed: 0.04,
  "error-in-stream": 0.04,
};
const STRANGE: Partial<Record<FaultName, number>> = {
  "half-utf8": 0.06,
  "keep-alive": 0.06,
  "empty-choices": 0.06,
  "wrong-usage": 0.06,
  "no-final-newline": 0.06,
  crlf: 0.06,
};

const command = (out: string): string[] => [
  "eval",
  "longctx",
  "--endpoint",
  server.url,
  "--model",
  "tiny-v4",
  "--tokenizer",
  DEMO_CHECKPOINT,
  "--api",
  "completions",
  "--suite",
  "niah",
  "--style",
  "noise",
  "--lengths",
  LENGTHS.join(),
  "--depths",
  DEPTHS.join(),
  "--samples",
  String(SAMPLES),
  "--concurrency",
  "16",
  "--out",
  out,
  "--json",
  "--quiet",
];

const rowsOf = (out: string): SampleRow[] =>
  readFileSync(join(out, "rows.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as SampleRow);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command beside the test: a blocked test would let its connections to the server go stale. */
function start(out: string) {
  const [program, ...args] = cliCommand(command(out));
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
    const parts: Buffer[] = [];
    stream.on("data", (part: Buffer) => parts.push(part));
    return () => Buffer.concat(parts).toString();
  });
  const ended = new Promise<Ended>((resolve) =>
    child.once("close", (code) => resolve({ code, stdout: stdout(), stderr: stderr() })),
  );
  return { child, ended };
}

const scoreOf = ({ stdout }: Ended): number =>
  (JSON.parse(stdout) as { report: { summary: { score: number } } }).report.summary.score;

/** Once per test file: a run without faults. */
let undisturbed: Promise<ReturnType<typeof reportsOf> & { readonly score: number }> | undefined;
const runUndisturbed = () => {
  undisturbed ??= (async () => {
    await server.control({ rates: {} });
    const out = join(folder, "undisturbed");
    const result = await start(out).ended;
    expect(result).toMatchObject({ code: 0, stderr: "" });
    return { ...reportsOf(out), score: scoreOf(result) };
  })();
  return undisturbed;
};

test("through every fault each sample ends once, and the score is what the server answered", async () => {
  const { score, rows } = await runUndisturbed();
  expect(score).toBeGreaterThan(0.2);
  expect(score).toBeLessThan(0.95);
  await server.clearLog();
  await server.control({ seed: 5, rates: { ...LOSING, ...STRANGE }, stallMs: 200 });
  const out = join(folder, "faulty");
  const result = await start(out).ended;
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const found = rowsOf(out);
  expect(found).toHaveLength(COUNT);
  expect(new Set(found.map(({ key }) => key)).size).toBe(COUNT);
  expect(found.every(({ status }) => status === "ok" || status === "truncated")).toBe(true);
  expect(found.filter(({ timing }) => timing.attempts.length > 1).length).toBeGreaterThan(COUNT / 6);

  const log = await server.log();
  const met = new Set(log.map(({ fault }) => fault));
  for (const fault of [...Object.keys(LOSING), ...Object.keys(STRANGE)]) expect(met).toContain(fault);
  const answers = new Map(
    log
      .filter(({ kind }) => kind === "answer")
      .map(({ prompt, seed, content }) => [`${prompt} ${seed}`, content]),
  );
  expect(answers.size).toBe(COUNT);
  expect(await gradeAnswers(answers)).toBeCloseTo(score, 12);
  expect(scoreOf(result)).toBe(score);
  const answered = (row: object) => {
    const { defects: _, serverPromptTokens: __, ...rest } = row as Record<string, unknown>;
    return rest;
  };
  expect(reportsOf(out).rows.map(answered)).toEqual(rows.map(answered));
}, 600_000);

/** The score of what the server says it has sent, by problems made anew. */
async function gradeAnswers(answers: ReadonlyMap<string, string | undefined>): Promise<number> {
  const { tokenizer } = await openTokenizerAt(DEMO_CHECKPOINT);
  const encoder = createPromptEncoder(tokenizer, { profile: "v4-preview", mode: "nonthink" });
  const [task] = await longContextTasks({
    suite: "niah",
    style: "noise",
    lengths: LENGTHS,
    depths: DEPTHS,
    samples: SAMPLES,
    seed: 0,
    encoder,
    answerPrefix: true,
    contextTokens: 2 ** 20,
  });
  const bySha = new Map(rowsOf(join(folder, "faulty")).map((row) => [row.problem, row]));
  let sum = 0;
  for await (const problem of task.problems()) {
    const row = bySha.get(problem.id) as SampleRow;
    const content = answers.get(`${row.prompt} ${row.seed}`);
    expect(content).toBeDefined();
    sum += (await task.grade(problem, { content: content as string })).score;
  }
  return sum / COUNT;
}

test("killed at any moment, the same command goes on and ends with the same reports", async () => {
  const expected = await runUndisturbed();
  // Waits between tries are real, and a killed run begins them anew: half as many faults do.
  const rates = Object.fromEntries(Object.entries(LOSING).map(([name, rate]) => [name, rate / 2]));
  await server.control({ seed: 7, rates, stallMs: 200 });
  const random = seededRandom(11);
  const kills = FULL ? 30 : 2;
  const out = join(folder, "killed");
  const count = (): number =>
    existsSync(join(out, "rows.jsonl"))
      ? readFileSync(join(out, "rows.jsonl"), "utf8").split("\n").length - 1
      : 0;
  let killed = 0;
  let before = 0;
  for (let i = 0; i < kills; i++) {
    const { child, ended } = start(out);
    // What is left is shared out over the kills that are left, and every kill waits for a part of its share.
    const wanted = before + Math.floor(((COUNT - before) / (kills - i + 1)) * (0.3 + 0.7 * random()));
    while (child.exitCode === null && count() < wanted) await sleep(1);
    if (child.kill("SIGKILL")) killed++;
    await ended;
    expect(count()).toBeGreaterThanOrEqual(before);
    before = count();
  }
  expect(killed).toBe(kills);
  expect(before).toBeLessThan(COUNT);
  expect(await start(out).ended).toMatchObject({ code: 0, stderr: "" });
  const rows = rowsOf(out);
  expect(rows).toHaveLength(COUNT);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(COUNT);
  expect(reportsOf(out)).toEqual({ report: expected.report, rows: expected.rows });
}, 900_000);

test("Ctrl-C keeps what has ended, prints the partial score, and says how to go on", async () => {
  await runUndisturbed();
  await server.control({ seed: 9, rates: { stall: 0.3 }, stallMs: 100_000 });
  const out = join(folder, "interrupted");
  const { child, ended } = start(out);
  const rows = join(out, "rows.jsonl");
  while (child.exitCode === null && !(existsSync(rows) && readFileSync(rows, "utf8").split("\n").length > 5))
    await sleep(2);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await ended;
  expect(code).toBe(130);
  expect(stderr).toContain("the same command goes on where it stopped");
  const { report, stopped } = JSON.parse(stdout) as {
    report: { partial: boolean; planned: number; summary: { samples: number; score: number } };
    stopped: { kind: string };
  };
  expect(report).toMatchObject({ partial: true, planned: COUNT });
  expect(report.summary.samples).toBe(rowsOf(out).length);
  expect(stopped.kind).toBe("interrupted");
  expect(existsSync(join(out, "report.arrow"))).toBe(false);
});
