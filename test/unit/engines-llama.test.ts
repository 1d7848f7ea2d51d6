import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { traitsOf } from "../../tools/formats/dtypes.ts";
import { layoutGguf } from "../../tools/formats/gguf/layout.ts";
import { findLlamaLibraries } from "../../tools/peers/llama-libraries.ts";
import { llamaLogits } from "../../tools/peers/llama-logits.ts";
import { checkEngine } from "../../tools/plan/engines/check-engine.ts";
import { type GgufEngine, ruleFor } from "../../tools/plan/engines/engine-rules.ts";
import { modelDemands } from "../../tools/plan/engines/gguf-layout.ts";
import { type Attack, copyOf, ENGINES, tiny } from "../support/engine-attacks.ts";
import { type Draft, ggufDraft, splitDraft } from "../support/engine-facts.ts";
import { LLAMA_ATTACKS, LLAMA_SILENT_ATTACKS, SPLIT_ATTACKS } from "../support/engine-gguf-attacks.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";

/** The rules for llama.cpp, judged by llama.cpp: files of zeros are enough to see what it loads. */

const libraries = findLlamaLibraries();
if (!libraries)
  console.warn(
    `SKIPPED: llama.cpp v0.5.0 is not installed for ${process.platform}-${process.arch}; it did not judge its own rules`,
  );

const scratch = scratchFolder();
let runs = 0;

/** Whether llama.cpp loads the model's files and decodes a few tokens. */
async function loads(draft: Draft): Promise<boolean> {
  const folder = join(scratch, String(runs++));
  mkdirSync(folder);
  const files = draft.files.filter(({ kind }) => kind === "model");
  for (const { name, metadata, tensors } of files) {
    const { prefix, byteLength } = layoutGguf(
      metadata,
      tensors.map(({ shape, ...rest }) => ({ ...rest, ne: [...shape].reverse() })),
    );
    const bytes = new Uint8Array(byteLength);
    bytes.set(prefix);
    writeFileSync(join(folder, name), bytes);
  }
  return llamaLogits(
    libraries as string,
    join(folder, files[0].name),
    Array.from({ length: 40 }, (_, i) => i),
  ).then(
    () => true,
    () => false,
  );
}

const whole = ggufDraft(tiny, "llama.cpp");
const split = splitDraft(whole, 3);
const spoilt = (good: Draft, [, , spoil]: Attack): Draft => {
  const draft = copyOf(good);
  spoil(draft);
  return draft;
};
/** A drafter's file is no model of its own, so it cannot be tried so. */
const ofModel = LLAMA_ATTACKS.filter(([, where]) => !where.startsWith("mtp-"));

test.skipIf(!libraries)("llama.cpp takes the good files, and those of ds4's types", async () => {
  for (const draft of [whole, split, ggufDraft(tiny, "ds4")]) expect(await loads(draft)).toBe(true);
});

test.skipIf(!libraries).each(ofModel)("llama.cpp refuses %s", async (...attack) => {
  expect(await loads(spoilt(whole, attack))).toBe(false);
});

test.skipIf(!libraries).each(SPLIT_ATTACKS)("llama.cpp refuses a split set with %s", async (...attack) => {
  expect(await loads(spoilt(split, attack))).toBe(false);
});

test.skipIf(!libraries).each(LLAMA_SILENT_ATTACKS)("llama.cpp does not notice %s", async (...attack) => {
  expect(await loads(spoilt(whole, attack))).toBe(true);
});

const { keys, tensors: rules } = ENGINES.get("llama.cpp") as GgufEngine;

test
  .skipIf(!libraries || !FULL)
  .each(keys.flatMap(({ names, need }) => names.map((name) => [name, need] as const)))(
  "llama.cpp without the key %s: %s",
  async (name, need) => {
    const draft = copyOf(whole);
    draft.files[0].metadata.delete(name);
    expect(await loads(draft)).toBe(need !== "required");
  },
);

/** Each type in every tensor whose rule allows it and whose rows it divides, all at once. */
const types = [...new Set(rules.flatMap(({ dtypes }) => dtypes))];

test.skipIf(!libraries || !FULL).each(types)(
  "llama.cpp loads %s wherever the rules allow it",
  async (dtype) => {
    const draft = copyOf(whole);
    const allowed = new Set(
      modelDemands(tiny, false)
        .filter(({ spec }) => ruleFor(rules, spec)?.dtypes.includes(dtype))
        .filter(({ shape }) => (shape.at(-1) as number) % traitsOf(dtype).blockLength === 0)
        .map(({ name }) => name),
    );
    const [model] = draft.files;
    model.tensors = model.tensors.map((tensor) => (allowed.has(tensor.name) ? { ...tensor, dtype } : tensor));
    expect(checkEngine(ENGINES.get("llama.cpp") as GgufEngine, draft, tiny).problems).toEqual([]);
    expect(await loads(draft)).toBe(true);
  },
);
