import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { choosePlan, type PlanRequest } from "../../tools/plan/choose-plan.ts";
import type { PlanReport } from "../../tools/plan/plan-report.ts";
import { type OutputFormat, shippedRecipes } from "../../tools/plan/recipe.ts";
import { makePlan } from "../../tools/predict/make-plan.ts";
import { artefactName } from "../../tools/quantize/place.ts";
import { quantize } from "../../tools/quantize/quantize.ts";
import { cli } from "../support/cli.ts";
import { pairOf, writeImportanceGguf } from "../support/imatrix.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
let runs = 0;

/** Plans and converts as asked; returns what was said and what lies there. */
async function both(request: PlanRequest, imatrix?: string) {
  const own = join(folder, `run-${runs++}`);
  mkdirSync(own);
  const planned = await makePlan({
    place: DEMO_CHECKPOINT,
    name: "demo",
    request,
    imatrix,
    workers: 2,
    folder: own,
    kernels: "",
    benchmark: false,
  });
  const made = await quantize({
    place: DEMO_CHECKPOINT,
    planFor: (census) => choosePlan(census, request, ""),
    out: (plan) => join(own, artefactName("demo", plan)),
    imatrix,
    workers: 2,
    force: false,
    restart: false,
    dryRun: false,
    quiet: true,
  });
  const predicted = planned.files.map(({ name, byteLength }) => [name, byteLength]);
  const written = made.outputs.map(({ path }) => [basename(path), statSync(path).size]);
  return { planned, made, predicted, written };
}

describe("sizes are exact to the byte", () => {
  const pairs = shippedRecipes().flatMap(({ name, formats }) =>
    formats.map((format): [string, OutputFormat] => [name, format]),
  );
  // Every fourth pair in the short tier: every container is among them.
  test.each(pairs.filter((_, i) => FULL || i % 4 === 0))("%s as %s", async (recipe, format) => {
    const { planned, made, predicted, written } = await both({ recipe, format, allowLarger: true });
    expect(predicted).toEqual(written);
    expect(planned.byteLength).toBe(written.reduce((sum, [, size]) => sum + (size as number), 0));
    expect(planned.bitsPerWeight).toBe(made.bitsPerWeight);
    // Nobody forgot a shard.
    const shards = readdirSync(dirname(made.outputs[0].path)).filter((name) =>
      /\.(gguf|safetensors)$/.test(name),
    );
    expect(shards.sort()).toEqual(written.map(([name]) => name).sort());
  });

  test("split files, and what an importance file adds to a header", async () => {
    const split = await both({ recipe: "q2-k", splitBytes: 2 * 2 ** 20 });
    expect(split.written.length).toBeGreaterThan(2);
    expect(split.predicted).toEqual(split.written);
    const imatrix = writeImportanceGguf(
      join(folder, "importance.gguf"),
      pairOf("blk.0.ffn_down_exps.weight", new Array(6 * 256).fill(1), new Array(6).fill(1)),
    );
    const plain = await both({ recipe: "q2-k" });
    const weighed = await both({ recipe: "q2-k" }, imatrix);
    expect(weighed.predicted).toEqual(weighed.written);
    expect(weighed.planned.byteLength).toBeGreaterThan(plain.planned.byteLength);
  });

  test("a target size is kept to", async () => {
    const { planned, predicted, written } = await both({ targetBytes: 24 * 2 ** 20 });
    expect(predicted).toEqual(written);
    expect(planned.byteLength).toBeLessThanOrEqual(24 * 2 ** 20);
  });
});

describe("the command", () => {
  const plan = (args: readonly string[], cwd = folder) => cli(["plan", ...args], { cwd });
  const read = (path: string): PlanReport => JSON.parse(readFileSync(path, "utf8")) as PlanReport;
  const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

  test("writes a plan that quantize makes, and measures without leaving anything behind", () => {
    const own = join(folder, "round");
    mkdirSync(own);
    const { code, stdout, stderr } = plan([DEMO_CHECKPOINT, "--bits", "3"], own);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(readdirSync(own)).toEqual(["checkpoint-q3-k.plan.json"]);
    const file = join(own, "checkpoint-q3-k.plan.json");
    const { here, files } = read(file);
    for (const { name } of files) expect(stdout).toContain(name);
    const { time } = here;
    if (!time) throw new Error("no time");
    expect(time.seconds).toBeGreaterThan(Math.max(time.convertSeconds, time.readSeconds));
    expect(here.rates?.every(({ valuesPerSecond }) => valuesPerSecond > 0)).toBe(true);
    expect(here.writeBytesPerSecond).toBeGreaterThan(0);

    const converted = (...args: string[]) =>
      cli(["quantize", DEMO_CHECKPOINT, "--quiet", ...args], { cwd: own });
    expect(converted("--plan", file, "--out", "a.gguf").code).toBe(0);
    expect(converted("--bits", "3", "--out", "b.gguf").code).toBe(0);
    expect(sha256(join(own, "a.gguf"))).toBe(sha256(join(own, "b.gguf")));
    expect(statSync(join(own, "a.gguf")).size).toBe(files[0].byteLength);
  });

  test("is the same file anywhere, apart from what it says of here", () => {
    const of = (out: string, workers: string): Omit<PlanReport, "here"> => {
      const args = [DEMO_CHECKPOINT, "--bits", "4", "--no-benchmark", "--workers", workers, "--out", out];
      expect(plan(args).code).toBe(0);
      const { here, ...rest } = read(join(folder, out));
      expect(here.workers).toBe(Number(workers));
      expect(here.time).toBeUndefined();
      return rest;
    };
    expect(of("one.json", "1")).toEqual(of("eight.json", "8"));
  });

  test("--json prints what the file holds; --out - writes none", () => {
    const empty = join(folder, "empty");
    mkdirSync(empty);
    const { stdout } = plan(
      [DEMO_CHECKPOINT, "--bits", "4", "--json", "--no-benchmark", "--out", "-"],
      empty,
    );
    expect(readdirSync(empty)).toEqual([]);
    const { here: _, ...printed } = JSON.parse(stdout) as PlanReport;
    plan([DEMO_CHECKPOINT, "--bits", "4", "--no-benchmark", "--out", "same.json"]);
    const { here: __, ...written } = read(join(folder, "same.json"));
    expect(printed).toEqual(written);
  });

  test("a plan for another source, or one that was edited, is refused", () => {
    plan([DEMO_CHECKPOINT, "--bits", "4", "--no-benchmark", "--out", "p.json"]);
    const other = join(folder, "other");
    cpSync(DEMO_CHECKPOINT, other, { recursive: true });
    const config = JSON.parse(readFileSync(join(other, "config.json"), "utf8"));
    writeFileSync(join(other, "config.json"), JSON.stringify({ ...config, rope_theta: 20_000 }));
    const refused = (source: string, file: string) => {
      const { code, stderr } = cli(["quantize", source, "--plan", file, "--out", "never.gguf"], {
        cwd: folder,
      });
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(existsSync(join(folder, "never.gguf"))).toBe(false);
      return { code, stderr };
    };
    const strange = refused(other, "p.json");
    expect(strange.code).toBe(65);
    expect(strange.stderr).toMatch(/another source/);
    const written = read(join(folder, "p.json"));
    const rules = written.recipe.rules.map((rule) =>
      rule.format === "q8_0" ? { ...rule, format: "q4_0" } : rule,
    );
    expect(JSON.stringify(rules)).not.toBe(JSON.stringify(written.recipe.rules));
    const edited = { ...written, recipe: { ...written.recipe, rules } };
    writeFileSync(join(folder, "edited.json"), JSON.stringify(edited));
    const changed = refused(DEMO_CHECKPOINT, "edited.json");
    expect(changed.code).toBe(65);
    expect(changed.stderr).toMatch(/edited/);
  });

  test.each([
    [[], 64, /--bits, --recipe/],
    [["--recipe", "nothing"], 66, /no recipe "nothing"/],
    [["--target-size", "1KiB"], 64, /no recipe .* so small/],
    [["--bits", "4", "--out"], 64, /out/],
    [["--bits", "4", "--workers", "0"], 64, /--workers/],
  ] as const)("%j is refused in one line", (args, code, message) => {
    const result = plan([DEMO_CHECKPOINT, ...args]);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe("");
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
  });
});
