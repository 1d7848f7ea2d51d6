import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { createSequence, forward } from "../../tools/reference/forward.ts";
import { openLayerStream } from "../../tools/reference/layer-stream.ts";
import { batchTokens } from "../../tools/reference/token-batches.ts";
import type { ValidationReport } from "../../tools/validate/report.ts";
import { cli } from "../support/cli.ts";
import { patchGguf } from "../support/gguf-patch.ts";
import { readNpy } from "../support/npy.ts";
import { largestDifference, referenceLogits, withModel } from "../support/reference.ts";
import { scratchFolder } from "../support/scratch.ts";
import { patchTensor } from "../support/shards.ts";

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
const artefact = join(folder, "artefact.gguf");
const tokens = Array.from({ length: 70 }, (_, i) => (i * 37 + 5) % TINY_DIMS.vocabSize);
const tokensFile = join(folder, "tokens.json");

beforeAll(async () => {
  await generateCheckpoint({ folder: checkpoint, dims: TINY_DIMS, seed: 11, storage: "official" });
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", artefact]).code).toBe(0);
  writeFileSync(tokensFile, JSON.stringify([tokens.slice(0, 40), tokens.slice(40)]));
});

let runs = 0;
function validate(path: string, ...args: string[]) {
  const out = join(folder, `run-${runs++}`);
  const { code, stdout, stderr } = cli(["validate", path, "--json", "--out", out, ...args]);
  expect(stderr).toBe("");
  return { code, out, report: JSON.parse(stdout) as ValidationReport };
}

/** A report without what no two runs share. */
const figures = (report: ValidationReport) => ({ ...report, out: "", elapsedMs: 0 });

test.each([
  ["a generated checkpoint", () => ({ source: checkpoint, path: artefact })],
  [
    "the embedded checkpoint",
    () => {
      const path = join(folder, "demo.gguf");
      expect(cli(["quantize", DEMO_CHECKPOINT, "--bits", "4", "--out", path]).code).toBe(0);
      return { source: DEMO_CHECKPOINT, path };
    },
  ],
])("4 bits of %s pass, and the run leaves its four files", (_, make) => {
  const { source, path } = make();
  const { code, out, report } = validate(path, "--reference", source, "--tokens", "300");
  expect(report.verdict).toEqual({ result: "pass", reasons: [], class: "lossless" });
  expect(code).toBe(0);
  expect(readdirSync(out).sort()).toEqual([
    "layers.arrow",
    "positions.arrow",
    "report.json",
    "tensors.arrow",
  ]);
  expect(report.tensors.find(({ role }) => role === "expert")).toMatchObject({ to: "mxfp4", unequal: 0 });
});

test("the figures do not depend on the threads", () => {
  const [one, two] = ["1", "2"].map((threads) =>
    figures(
      validate(artefact, "--reference", checkpoint, "--tokens-file", tokensFile, "--threads", threads).report,
    ),
  );
  expect(one).toEqual(two);
});

test("a checkpoint against itself differs nowhere", () => {
  const { code, report } = validate(
    checkpoint,
    "--reference",
    checkpoint,
    "--tokens-file",
    tokensFile,
    "--max-kld",
    "0",
  );
  expect([code, report.verdict.result]).toEqual([0, "pass"]);
  for (const group of report.tensors)
    expect(group).toMatchObject({ unequal: 0, promised: true, worst: { relativeRmse: 0 } });
  for (const layer of report.layers)
    expect(layer).toMatchObject({ nmse: 0, maxDifference: 0, expertsChanged: 0, rowsChanged: 0 });
  expect(report.logits).toMatchObject({ kl: { mean: 0, max: 0, min: 0 }, logRatio: { mean: 0, error: 0 } });
});

test("a damaged checkpoint folder against its source: the tensor is named", () => {
  const damaged = join(folder, "damaged");
  cpSync(checkpoint, damaged, { recursive: true });
  patchTensor(damaged, "layers.2.ffn.experts.1.w1.scale", (bytes) => {
    bytes[3]++;
  });
  const { code, report } = validate(damaged, "--reference", checkpoint, "--tokens-file", tokensFile);
  expect(code).toBe(1);
  expect(report.verdict.reasons[0]).toMatch(
    /^layers\.2\.ffn\.experts\.1\.w1\.weight: \d+ of 65536 values differ/,
  );
});

test("--max-kld 0 fails whatever differs", () => {
  const { code, report } = validate(
    artefact,
    ...["--reference", checkpoint, "--tokens", "131", "--max-kld", "0"],
  );
  expect(code).toBe(1);
  expect(report.verdict.reasons).toEqual([expect.stringMatching(/^mean KL .* limit 0$/)]);
});

test("official numerics pass on trained weights, and give other figures than none", () => {
  // On random weights they do not: logits are so flat there that rounding decides which token is the likeliest.
  const path = join(folder, "demo-official.gguf");
  expect(cli(["quantize", DEMO_CHECKPOINT, "--bits", "4", "--out", path]).code).toBe(0);
  const args = ["--reference", DEMO_CHECKPOINT, "--tokens", "300", "--numerics"];
  const [official, plain] = ["official", "fp32"].map((numerics) => validate(path, ...args, numerics).report);
  expect(official).toMatchObject({ numerics: "official", verdict: { result: "pass" } });
  expect(official.layers.map(({ rms }) => rms)).not.toEqual(plain.layers.map(({ rms }) => rms));
});

test("alone: perplexity and layers, and logits that are those of the forward pass", async () => {
  const single = join(folder, "single.json");
  writeFileSync(single, JSON.stringify({ tokens }));
  const dump = join(folder, "logits.npy");
  const { code, report } = validate(artefact, "--tokens-file", single, "--dump-logits", dump);
  expect(code).toBe(0);
  expect(report).toMatchObject({ tensors: [], absent: [], prompts: { tokens: 70 } });
  expect(report).not.toHaveProperty("reference");
  const wanted = await referenceLogits(artefact, "fp32", tokens);
  const { shape, data } = readNpy(dump);
  expect(shape).toEqual([70, TINY_DIMS.vocabSize]);
  expect(largestDifference(data, wanted)).toBeLessThan(1e-6);
  const vocab = TINY_DIMS.vocabSize;
  const surprise = tokens.slice(1).reduce((sum, token, t) => {
    const row = [...wanted.subarray(t * vocab, (t + 1) * vocab)];
    return sum + Math.log(row.reduce((total, x) => total + Math.exp(x), 0)) - row[token];
  }, 0);
  expect(report.logits?.perplexity.candidate.mean).toBeCloseTo(Math.exp(surprise / 69), 3);
});

test("--prompts and --tokens: texts by line, cut where the cap is reached", () => {
  const prompts = join(folder, "prompts.jsonl");
  writeFileSync(prompts, '{"text":"hello there"}\n{"tokens":[3,4,5,6,7,8,9]}\n{"prompt":"never reached"}\n');
  const all = validate(artefact, "--prompts", prompts).report.prompts;
  expect(all.coverage).toMatch(/^3 sequences, /);
  const { prompts: some } = validate(artefact, "--prompts", prompts, "--tokens", "4").report;
  expect(some).toMatchObject({ tokens: 4, synthetic: false });
  expect(some.coverage).toMatch(/^1 sequence, 4 tokens/);
});

test("--tensor: rebuilt byte for byte, by either name; a changed byte is found", async () => {
  const rebuild = (path: string, name: string) =>
    cli(["validate", path, "--reference", checkpoint, "--json", "--tensor", name]);
  for (const [name, tensors] of [
    ["layers.1.attn.wq_a.weight", 1],
    ["blk.1.attn_q_a.weight", 1],
    ["blk.2.ffn_up_exps.weight", TINY_DIMS.expertCount],
  ] as const) {
    const { code, stdout } = rebuild(artefact, name);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ equal: true, different: 0, tensors });
  }
  const broken = await patchGguf(artefact, join(folder, "one-byte.gguf"), (_, tensor) => {
    // Row 3 of eight blocks of q8_0: the code of column 32 * 2 + 5.
    tensor("blk.1.attn_q_a.weight")[(3 * 8 + 2) * 34 + 2 + 5] ^= 1;
  });
  const { code, stdout } = rebuild(broken, "layers.1.attn.wq_a.weight");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ different: 1, first: { row: 3, column: 69 } });
  const unknown = rebuild(artefact, "layers.1.nothing");
  expect(unknown.code).toBe(66);
  expect(unknown.stderr).toContain("no tensor of that name in both checkpoints");
});

test("streamed layers are those of the forward pass, wherever the batches are cut", async () => {
  const sequences = [tokens, tokens.slice(0, 9), tokens.slice(20, 61)];
  await withModel(checkpoint, "fp32", async (model) => {
    const { config } = model;
    const width = config.mhc.streams * config.hiddenSize;
    const whole: Float32Array[][] = [];
    for (const ids of sequences) {
      const depths: Float32Array[] = [];
      await forward(model, createSequence(config), ids, {
        onStreams: (depth, streams) => {
          depths[depth] = streams.slice();
        },
      });
      whole.push(depths);
    }
    const bytesPerToken = 4 * config.hiddenSize * (config.mhc.streams + 6);
    for (const capacity of [1000, 64, 31, 7]) {
      const batches = batchTokens(sequences, config, capacity * bytesPerToken);
      expect(Math.max(...batches.map(({ ids }) => ids.length))).toBe(Math.min(capacity, 120));
      const stream = await openLayerStream({ model, batches, folder, name: `cut-${capacity}` });
      try {
        await stream.embed();
        for (let depth = 0; depth <= config.layerCount; depth++) {
          if (depth > 0) await stream.run(depth - 1);
          for (const batch of batches) {
            const values = await stream.streams(depth, batch);
            let at = 0;
            for (const { sequence, position, count } of batch.runs) {
              const wanted = whole[sequence][depth].subarray(position * width, (position + count) * width);
              expect(largestDifference(values.subarray(at, at + wanted.length), wanted)).toBeLessThan(1e-5);
              at += wanted.length;
            }
          }
        }
      } finally {
        await stream.close();
      }
    }
  });
});

test("what cannot be asked: one line and exit 64, a forgotten value included", () => {
  for (const args of [
    ["--tokens", "0"],
    ["--threads", "0"],
    ["--max-kld", "-1"],
    ["--reference", checkpoint, "--max-kld"],
    ["--prompts", "a", "--tokens-file", "b"],
    ["--tensor", "x"],
  ]) {
    const { code, stdout, stderr } = cli(["validate", artefact, ...args]);
    expect([code, stdout]).toEqual([64, ""]);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  }
});
