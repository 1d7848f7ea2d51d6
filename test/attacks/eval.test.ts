import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { expectRefusal } from "../support/attack.ts";
import { type CliResult, cli } from "../support/cli.ts";
import { startEvalServer, type TestEvalServer } from "../support/eval-server.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
let server: TestEvalServer;
beforeAll(async () => {
  server = await startEvalServer({
    checkpoint: DEMO_CHECKPOINT,
    models: [{ id: "tiny-v4", object: "model", context_length: 4096 }],
  });
});
afterAll(() => server.stop());

const LOCAL = ["--checkpoint", DEMO_CHECKPOINT];
const endpoint = (url: string, model = "tiny-v4"): string[] => [
  ...["--endpoint", url, "--model", model, "--tokenizer", DEMO_CHECKPOINT, "--api", "completions"],
];
const NEEDLES = ["--suite", "niah", "--style", "noise", "--depths", "50", "--samples", "3", "--quiet"];

const run = (...args: string[]): CliResult => cli(["eval", "longctx", ...args], { cwd: folder });

test.each([
  ["nobody to ask", [], /give one of --endpoint and --checkpoint/],
  ["no model", ["--endpoint", "http://x"], /--endpoint needs --model/],
  ["an endpoint's flag", [...LOCAL, "--api-key-env", "X"], /--api-key-env belongs to --endpoint/],
  ["no whole number", [...LOCAL, "--limit", "1.5"], /--limit: expected a whole number of at least 1/],
  ["a cost below nothing", [...LOCAL, "--max-cost", "-1"], /--max-cost: expected US dollars/],
  ["an unknown class", [...LOCAL, "--retry", "ok"], /--retry: "ok" is none of failed, infra_error/],
  ["more than the context", [...LOCAL, "--lengths", "2M"], /longer than the model's context/],
  ["a flag of another suite", [...LOCAL, "--suite", "niah", "--tasks", "vt"], /--tasks is for --suite ruler/],
  ["an unknown task", [...LOCAL, "--tasks", "niah_single_9", "--lengths", "1K"], /no such task/],
])("%s", (_, args, message) => {
  expectRefusal(run(...args), 64, message);
  expect(readdirSync(folder).filter((name) => name.startsWith("longctx"))).toEqual([]);
});

test("an endpoint that is none, nobody there, an unknown model, too short a context: before the first token", async () => {
  expectRefusal(run(...endpoint("localhost:1"), ...NEEDLES), 64, "--endpoint is no URL");
  expectRefusal(run(...endpoint("http://127.0.0.1:1/v1"), ...NEEDLES), 69, "127.0.0.1:1");
  expect(run(...endpoint(server.url, "tiny-v5"), ...NEEDLES).stderr).toContain("tiny-v5");
  const long = run(...endpoint(server.url), ...NEEDLES, "--lengths", "8K");
  expect(long.code).toBe(64);
  expect(long.stderr).toMatch(/context/);
  expect(long.stderr.trim().split("\n")).toHaveLength(1);
  expect((await server.log()).filter(({ kind }) => kind === "answer")).toEqual([]);
});

test("a broken record, another contract, and a key that must not be kept", () => {
  const out = join(folder, "run");
  const again = (...more: string[]): CliResult =>
    cli(["eval", "longctx", ...endpoint(server.url), ...NEEDLES, "--lengths", "256", "--out", out, ...more], {
      env: { V4KIT_TEST_KEY: "sk-canary-0123456789" },
    });
  expect(again("--api-key-env", "V4KIT_TEST_KEY").code).toBe(0);
  for (const name of ["run.json", "rows.jsonl", "report.json", "report.html", "report.arrow"])
    expect(readFileSync(join(out, name), "utf8")).not.toContain("canary");
  expectRefusal(again("--seed", "1"), 64, "a run of another contract lies here", "sampling.seed");
  const rows = join(out, "rows.jsonl");
  const whole = readFileSync(rows, "utf8");
  // What a crash leaves is cut off and run again; anything else is not ours.
  writeFileSync(rows, whole.slice(0, -20));
  expect(again()).toMatchObject({ code: 0 });
  expect(readFileSync(rows, "utf8").trimEnd().split("\n")).toHaveLength(3);
  appendFileSync(rows, "{}\n");
  expectRefusal(again(), 65, "rows.jsonl", "is not what v4kit writes", "choose another --out");
  expect(existsSync(join(out, "run.lock"))).toBe(false);
});

test("a server that refuses every sample: a run without an answer is no success, and is asked again", async () => {
  const asked = [...endpoint(server.url), ...NEEDLES, "--lengths", "256", "--out", join(folder, "refused")];
  // A word of every prompt.
  await server.control({ alwaysFails: "magic" });
  const none = run(...asked);
  expect(none.code).toBe(75);
  expect(none.stderr).toBe("v4kit: no sample has an answer (--retry failed,infra_error asks again)\n");
  await server.control({ alwaysFails: "" });
  expect(run(...asked, "--retry", "failed,infra_error").code).toBe(0);
});
