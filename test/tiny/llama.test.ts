import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { findLlamaLibraries } from "../../tools/peers/llama-libraries.ts";
import { llamaLogits } from "../../tools/peers/llama-logits.ts";
import { FORMULA_LOGITS, FORMULA_TOKENS, formulaModel } from "../fixtures/formula-model.ts";
import { cli } from "../support/cli.ts";
import { compareLogits } from "../support/distributions.ts";
import { type GoldenCase, goldenCheckpoint, goldenPrompt } from "../support/golden.ts";
import { scratchFolder } from "../support/scratch.ts";
import { copyCheckpoint, patchTensor } from "../support/shards.ts";

const libraries = findLlamaLibraries();
if (!libraries)
  console.warn(
    `SKIPPED: llama.cpp v0.5.0 is not installed for ${process.platform}-${process.arch}; it did not judge our GGUF files`,
  );

const folder = scratchFolder();

function convert(checkpoint: string, bits: number, name: string): string {
  const out = join(folder, `${name}-${bits}.gguf`);
  if (!existsSync(out))
    expect(cli(["quantize", checkpoint, "--bits", String(bits), "--out", out])).toMatchObject({ code: 0 });
  return out;
}

async function judge(gguf: string, golden: GoldenCase, prompt: string) {
  const { tokens, vocab, logits } = goldenPrompt(golden, prompt);
  return compareLogits(logits, await llamaLogits(libraries as string, gguf, tokens), vocab);
}

test.skipIf(!libraries).for([
  ["case-a", "p037", 32, 1e-6, 0.99],
  ["case-a", "p300", 32, 1e-6, 0.99],
  ["case-a", "p700", 32, 1e-6, 0.99],
  ["case-s", "p041", 32, 1e-6, 0.99],
  ["case-s", "p702", 32, 1e-6, 0.99],
  ["case-a", "p037", 4, 5e-2, 0],
  ["case-a", "p300", 4, 5e-2, 0],
  ["case-a", "p700", 4, 5e-2, 0],
  ["case-s", "p041", 4, 6e-3, 0.93],
  ["case-s", "p702", 4, 6e-3, 0.93],
  ["case-s", "p041", 8, 8e-3, 0.93],
  ["case-s", "p702", 16, 1e-3, 0.97],
] as const)("llama.cpp agrees with %s/%s at %i bits", async ([golden, prompt, bits, maxKl, minAgreement]) => {
  const { meanKl, top1Agreement } = await judge(
    convert(goldenCheckpoint(golden), bits, golden),
    golden,
    prompt,
  );
  console.log(
    `${golden}/${prompt} ${bits} bits: mean KL ${meanKl.toExponential(2)}, top-1 ${(100 * top1Agreement).toFixed(1)} %`,
  );
  expect(meanKl).toBeLessThanOrEqual(maxKl);
  expect(top1Agreement).toBeGreaterThanOrEqual(minAgreement);
});

test.skipIf(!libraries)("a planted fault breaks the limit: one expert matrix doubled", async () => {
  const checkpoint = copyCheckpoint(goldenCheckpoint("case-s"), join(folder, "doubled"));
  patchTensor(checkpoint, "layers.2.ffn.experts.1.w2.scale", (bytes) => {
    for (let i = 0; i < bytes.length; i++) bytes[i]++;
  });
  const { meanKl } = await judge(convert(checkpoint, 4, "doubled"), "case-s", "p702");
  console.log(`planted fault: mean KL ${meanKl.toExponential(2)}`);
  expect(meanKl).toBeGreaterThan(6e-3);
});

test.skipIf(!libraries)(
  "llama.cpp reproduces the formula model's published logits from our F32 file",
  async () => {
    const checkpoint = join(folder, "formula");
    await generateCheckpoint(formulaModel(checkpoint));
    const logits = await llamaLogits(libraries as string, convert(checkpoint, 32, "formula"), FORMULA_TOKENS);
    const vocab = logits.length / FORMULA_TOKENS.length;
    for (const { t, argmax, logits: expected } of FORMULA_LOGITS) {
      const row = logits.subarray(t * vocab, (t + 1) * vocab);
      for (const [i, value] of expected.entries()) expect(Math.abs(row[i] - value)).toBeLessThan(5e-3);
      expect(row.indexOf(Math.max(...row))).toBe(argmax);
    }
  },
);

test.skipIf(!libraries)(
  "llama.cpp loads every recipe of a generated checkpoint, Base storage included",
  async () => {
    for (const storage of ["official", "base"] as const) {
      const checkpoint = join(folder, storage);
      await generateCheckpoint({ folder: checkpoint, dims: TINY_DIMS, seed: 2, storage });
      for (const bits of [4, 8, 16, 32]) {
        const logits = await llamaLogits(
          libraries as string,
          convert(checkpoint, bits, storage),
          [5, 6, 7, 8, 9, 10, 11, 12],
        );
        expect(logits.every(Number.isFinite)).toBe(true);
      }
    }
  },
);
