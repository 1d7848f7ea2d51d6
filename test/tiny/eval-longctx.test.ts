import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Backend, type GenerationRequest, SampleFailure } from "../../evals/backend.ts";
import type { EvalReport } from "../../evals/run/run-eval.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import type { TensorSource } from "../../tools/checkpoint/source.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { openReferenceBackend } from "../../tools/generate/reference-backend.ts";
import { openTokenizer } from "../../tools/tokenizer/tokenizer.ts";
import { cli } from "../support/cli.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";
import { singleNeedles } from "../support/tiny-v4.ts";

const folder = scratchFolder();

interface Document {
  readonly report: EvalReport;
  readonly longContext: { readonly lengths: readonly { length: number; mean: number; n: number }[] };
}

const evalTiny = (checkpoint: string, ...args: string[]) =>
  cli(["eval", "longctx", "--checkpoint", checkpoint, "--suite", "niah", "--style", "noise", ...args]);

const NEEDLES = ["--lengths", "512", "--depths", "0,100", "--samples", "1"];

describe("single needles on the embedded checkpoint", () => {
  const out = join(folder, "run");

  test("are found; tables, heat map and reports say so", () => {
    const { code, stdout, stderr } = evalTiny(DEMO_CHECKPOINT, ...NEEDLES, "--out", out);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^2 samples to run: [\d,]+ prompt tokens \(longest \d+\), at most \d+ of replies$/m,
    );
    expect(stdout).toMatch(/^niah_single_1\s+1\.00 \[/m);
    expect(stdout).toMatch(/^ +100% +1\.00/m);
    expect(stdout).toMatch(/^score 100\.0 %$/m);
    expect(stdout).toContain("answer prefix used");
    expect(readdirSync(out).sort()).toEqual([
      "blobs",
      "groups.arrow",
      "heat.arrow",
      "lengths.arrow",
      "report.arrow",
      "report.html",
      "report.json",
      "rows.jsonl",
      "run.json",
    ]);
    const html = readFileSync(join(out, "report.html"), "utf8");
    expect(html).toContain("<svg");
    expect(html).not.toMatch(/(src|href)="http/);
    const rows = tableFromIPC(readFileSync(join(out, "report.arrow")))
      .toArray()
      .map((row) => (row as { toJSON(): Record<string, unknown> }).toJSON());
    expect(rows.map(({ problem, status, score, length }) => ({ problem, status, score, length }))).toEqual([
      { problem: "512/0%/0", status: "ok", score: 1, length: 512 },
      { problem: "512/100%/0", status: "ok", score: 1, length: 512 },
    ]);
    for (const { promptTokens, serverPromptTokens, logProbSum } of rows) {
      expect(serverPromptTokens).toBe(promptTokens);
      expect(logProbSum).toBeLessThan(0);
    }
  });

  test("the same command has nothing to do, and changes nothing", () => {
    const before = readFileSync(join(out, "rows.jsonl"), "utf8");
    const { code, stdout } = evalTiny(DEMO_CHECKPOINT, ...NEEDLES, "--out", out, "--json", "--quiet");
    expect(code).toBe(0);
    const { report, longContext } = JSON.parse(stdout) as Document;
    expect(report).toMatchObject({ partial: false, planned: 2, summary: { samples: 2, score: 1 } });
    expect(report.contract).toMatchObject({ answerPrefix: "used", mode: "nonthink", profile: "v4-preview" });
    expect(longContext.lengths).toMatchObject([{ length: 512, n: 2, mean: 1 }]);
    expect(readFileSync(join(out, "rows.jsonl"), "utf8")).toBe(before);
  });

  test("a dry run counts and leaves nothing behind", () => {
    const dry = join(folder, "dry");
    const { stdout, stderr } = evalTiny(DEMO_CHECKPOINT, ...NEEDLES, "--dry-run", "--json", "--out", dry);
    expect(JSON.parse(stdout).estimate).toMatchObject({ samples: 2, finished: 0 });
    expect(stderr).toContain("2 samples to run");
    expect(existsSync(dry)).toBe(false);
  });
});

test.runIf(FULL)(
  "at 512 to 2,048 tokens, 95 % are found by the source and by its lossless artefact",
  () => {
    const artefact = join(folder, "lossless.gguf");
    expect(cli(["quantize", DEMO_CHECKPOINT, "--bits", "4", "--out", artefact]).code).toBe(0);
    for (const [name, path] of [
      ["source", DEMO_CHECKPOINT],
      ["lossless", artefact],
    ]) {
      const grid = ["--lengths", "512,1024,2048", "--depths", "0,25,50,75,100", "--samples", "2"];
      const { stdout } = evalTiny(path, ...grid, "--json", "--quiet", "--out", join(folder, name));
      const { report } = JSON.parse(stdout) as Document;
      expect(report.summary.samples).toBe(30);
      expect(report.summary.score).toBeGreaterThanOrEqual(0.95);
    }
  },
  600_000,
);

describe("the reference pass as a back-end", () => {
  let source: TensorSource;
  let backend: Backend;
  beforeAll(async () => {
    source = await openCheckpoint(DEMO_CHECKPOINT);
    backend = openReferenceBackend({
      source,
      tokenizer: await openTokenizer(source),
      numerics: "fp32",
      threads: 2,
    });
  });
  afterAll(async () => {
    await backend.close();
    await source.close();
  });

  const needle = singleNeedles().find(
    ({ length, prompt }) => length === 512 && prompt.includes("<｜Assistant｜></think>"),
  ) as ReturnType<typeof singleNeedles>[number];
  const ask = (sampling: Partial<GenerationRequest["sampling"]> = {}, options = {}) =>
    backend.generate(
      {
        messages: [],
        prompt: { text: needle.prompt, ids: needle.prompt_ids },
        mode: "nonthink",
        sampling: { temperature: 0, topP: 1, maxTokens: 20, ...sampling },
      },
      options,
    );

  test("answers as greedy decoding does, and counts what it did", async () => {
    let heard = 0;
    const whole = await ask({}, { onTokens: (count: number) => (heard += count) });
    // The end of the sentence is a token, and no text.
    expect(whole).toMatchObject({ content: needle.answer_text, finishReason: "stop", defects: [] });
    expect(whole.usage).toEqual({
      promptTokens: needle.prompt_ids.length,
      completionTokens: needle.answer_ids.length + 1,
    });
    expect(heard).toBe(needle.answer_ids.length + 1);
    expect(whole.logprobs).toHaveLength(heard);
    const cut = await ask({ maxTokens: 2 });
    expect(cut.finishReason).toBe("length");
    expect(needle.answer_text.startsWith(cut.content)).toBe(true);
    const stopped = await ask({ stop: [needle.answer_text.slice(3, 5), "never"] });
    expect(stopped).toMatchObject({ content: needle.answer_text.slice(0, 3), finishReason: "stop" });
  });

  test("a seed draws its own reply, two samples at a time or one", async () => {
    const drawn = (seed: number) => ask({ temperature: 3, seed });
    const [first, second] = await Promise.all([drawn(1), drawn(2)]);
    expect(first.content).not.toBe(second.content);
    expect((await drawn(1)).content).toBe(first.content);
  });

  test("says who it is; another checkpoint or other arithmetic is somebody else", async () => {
    const identity = await backend.probe();
    expect(identity).toMatchObject({ model: "checkpoint", kind: "reference completions" });
    expect(identity.serverVersion).toContain("fp32");
    const tokenizer = await openTokenizer(source);
    const other = openReferenceBackend({ source, tokenizer, numerics: "qat", threads: 1 });
    expect((await other.probe()).serverVersion).not.toBe(identity.serverVersion);
    expect((await other.probe()).digest).toBe(identity.digest);
  });

  test("a prompt that does not fit is that sample's failure; an abort ends the run", async () => {
    await expect(ask({ maxTokens: 2 ** 20 })).rejects.toBeInstanceOf(SampleFailure);
    const controller = new AbortController();
    const running = ask(
      {},
      { signal: controller.signal, onTokens: () => controller.abort(new Error("enough")) },
    );
    await expect(running).rejects.toThrow("enough");
    expect((await ask({ maxTokens: 1 })).finishReason).toBe("length");
  });
});
