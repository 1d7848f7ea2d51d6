import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { readRows, rowCount, rowLength } from "../../tools/checkpoint/read-rows.ts";
import type { TensorSource } from "../../tools/checkpoint/source.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { inspect } from "../../tools/inspect/inspect.ts";
import { type Census, type CensusEntry, storedTensors, takeCensus } from "../../tools/model/census.ts";
import { choosePlan } from "../../tools/plan/choose-plan.ts";
import { quantize } from "../../tools/quantize/quantize.ts";
import type { ValidationReport } from "../../tools/validate/report.ts";
import { validate } from "../../tools/validate/validate.ts";
import { EXPERT_LAYOUTS, type ExpertLayoutName, F32_LAYOUT, writeArtefact } from "../support/artefacts.ts";
import { goldenCheckpoint, goldenPrompt } from "../support/golden.ts";
import { referenceLogits } from "../support/reference.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";

/** Safetensors artefacts of other engines' layouts as sources of every stage: made of a golden checkpoint's experts. */

const folder = scratchFolder();
const golden = goldenCheckpoint("case-a");
const { kernels } = chooseKernels();
const tokens = goldenPrompt("case-a", "p037").tokens.slice(0, 24);

const FORMATS: Record<ExpertLayoutName, string> = {
  "ModelOpt NVFP4, exact": "nvfp4_groups",
  "ModelOpt NVFP4, searched": "nvfp4_groups",
  "compressed-tensors NVFP4": "nvfp4_groups",
  "compressed-tensors INT4, groups of 32, BF16 scales": "int4_groups",
  "compressed-tensors INT4, groups of 128, F16 scales": "int4_groups",
  "compressed-tensors INT4 with zero points": "int4_groups",
  "FP8 with F32 scales": "fp8",
  BF16: "bf16",
};
/** Classes of the gate; the rest are 4-bit. */
const CLASSES: Partial<Record<ExpertLayoutName, string>> = {
  "FP8 with F32 scales": "8-bit",
  BF16: "lossless",
};
/** Layouts that keep every FP4 value of the checkpoints used here. */
const EXACT: readonly ExpertLayoutName[] = ["ModelOpt NVFP4, exact", "FP8 with F32 scales", "BF16"];
const QUIETLY = { workers: 2, force: false, restart: false, dryRun: false, quiet: true } as const;

/** Validates an artefact of the trained checkpoint through the API. */
const validateTrained = (artefact: string): Promise<ValidationReport> =>
  validate({
    artefact,
    reference: DEMO_CHECKPOINT,
    out: `${artefact} run`,
    numerics: "fp32",
    threads: 2,
    tokens: { maxTokens: 131 },
    restart: false,
    quiet: true,
  });

async function withEntries<T>(
  path: string,
  use: (source: TensorSource, entries: ReadonlyMap<string, CensusEntry>) => Promise<T>,
): Promise<T> {
  const source = await openCheckpoint(path);
  try {
    const { entries, unrecognised } = takeCensus(source.config, source.tensors, path);
    expect(unrecognised).toEqual([]);
    return await use(source, new Map(entries.map((entry) => [entry.spec.name, entry])));
  } finally {
    await source.close();
  }
}

const bitsOf = (values: Float32Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

describe.each(Object.keys(EXPERT_LAYOUTS) as ExpertLayoutName[])("experts as %s", (name) => {
  const path = join(folder, name);
  let values: ReadonlyMap<string, Float32Array>;

  beforeAll(async () => {
    values = await writeArtefact(kernels, golden, path, () => EXPERT_LAYOUTS[name]);
  });

  test("every matrix decodes to the bits that the kernels give, wherever its rows are cut", async () => {
    expect(values.size).toBe(6 * 8 * 3);
    await withEntries(path, async (source, entries) => {
      let stored = 0;
      for (const entry of entries.values()) {
        stored += storedTensors(entry).length;
        const expected = values.get(entry.spec.name);
        if (!expected) continue;
        expect(entry.format).toBe(FORMATS[name]);
        const [rows, cols] = [rowCount(entry), rowLength(entry)];
        for (const step of [rows, 37, 8]) {
          const decoded = new Float32Array(rows * cols);
          for (let row = 0; row < rows; row += step)
            await readRows(source, kernels, entry, row, decoded.subarray(row * cols, (row + step) * cols));
          expect(bitsOf(decoded).equals(bitsOf(expected)), `${entry.spec.name}, ${step} rows`).toBe(true);
        }
      }
      expect(stored).toBe(source.tensors.size);
    });
  });

  // In the short tier one layout of each class of the gate.
  const judged = FULL || name === "BF16" || name === "FP8 with F32 scales" || name.endsWith("F16 scales");
  test.runIf(judged)(
    "validate: a trained checkpoint stored like this passes against its source",
    async () => {
      const artefact = join(folder, `trained, ${name}`);
      const { size } = await writeArtefact(kernels, DEMO_CHECKPOINT, artefact, () => EXPERT_LAYOUTS[name]);
      const report = await validateTrained(artefact);
      expect(report.verdict).toEqual({ result: "pass", reasons: [], class: CLASSES[name] ?? "4-bit" });
      expect(report.absent).toEqual([]);
      expect(report.tensors.find(({ role, to }) => role === "expert" && to === FORMATS[name])).toMatchObject({
        from: "fp4",
        tensors: size,
        ...(EXACT.includes(name) && { unequal: 0, worst: { relativeRmse: 0 } }),
      });
      if (EXACT.includes(name)) expect(report.logits).toMatchObject({ kl: { mean: 0, max: 0 } });
    },
  );

  test("quantize to F32 keeps the values of every expert, and accounts for every stored tensor", async () => {
    const out = join(folder, `${name}.gguf`);
    const planFor = (census: Census) => choosePlan(census, { bits: 32, mtp: "drop" }, "");
    const { tensors } = await quantize({ ...QUIETLY, place: path, planFor, out });
    const names = await withEntries(path, async (source) => [...source.tensors.keys()]);
    expect(tensors.map((tensor) => tensor.name).sort()).toEqual(names.sort());
    await withEntries(out, async (source, entries) => {
      for (const [tensor, expected] of values) {
        const entry = entries.get(tensor) as CensusEntry;
        const found = new Float32Array(expected.length);
        await readRows(source, kernels, entry, 0, found);
        expect(bitsOf(found).equals(bitsOf(expected)), tensor).toBe(true);
      }
    });
  });

  test("the forward pass on stored bytes is that on the decoded values", async () => {
    const plain = join(folder, `${name} as F32`);
    await writeArtefact(kernels, path, plain, () => F32_LAYOUT);
    const [stored, decoded] = [
      await referenceLogits(path, "fp32", tokens),
      await referenceLogits(plain, "fp32", tokens),
    ];
    expect(stored.every(Number.isFinite)).toBe(true);
    expect(bitsOf(stored).equals(bitsOf(decoded))).toBe(true);
  });
});

test("NVFP4 that keeps every FP4 value gives the logits of the source, bit for bit", async () => {
  const path = join(folder, "ModelOpt NVFP4, exact");
  const [artefact, source] = [
    await referenceLogits(path, "fp32", tokens),
    await referenceLogits(golden, "fp32", tokens),
  ];
  expect(bitsOf(artefact).equals(bitsOf(source))).toBe(true);
});

describe("experts stored in every layout at once", () => {
  const path = join(folder, "mixed");
  const names = Object.keys(EXPERT_LAYOUTS) as ExpertLayoutName[];
  const layoutNameOf = ({ spec }: CensusEntry): ExpertLayoutName => names[spec.expert as number];

  beforeAll(async () => {
    expect(names).toHaveLength(8);
    await writeArtefact(kernels, golden, path, (entry) => EXPERT_LAYOUTS[layoutNameOf(entry)]);
  });

  test("inspect counts every stored tensor and byte once", async () => {
    const report = await inspect(path);
    expect(report.classes.reduce((sum, { tensors }) => sum + tensors, 0)).toBe(report.tensors);
    const stored = await withEntries(path, async (source) =>
      [...source.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    );
    expect(report.byteLength).toBe(stored);
    expect(report.tensorList.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(stored);
    const scales = new Set(
      report.classes.filter(({ role }) => role === "expert").map(({ format, scale }) => `${format} ${scale}`),
    );
    expect([...scales].sort()).toEqual([
      "bf16 ",
      "fp4 e8m0 1x32",
      "fp8 f32 128x128",
      "int4_groups bf16 1x32",
      "int4_groups bf16 1x64",
      "int4_groups f16 1x128",
      "nvfp4_groups e4m3 1x16",
    ]);
  });

  test("validate and the other numerics run on it", async () => {
    const trained = join(folder, "trained, mixed");
    await writeArtefact(kernels, DEMO_CHECKPOINT, trained, (entry) => EXPERT_LAYOUTS[layoutNameOf(entry)]);
    expect((await validateTrained(trained)).verdict).toEqual({ result: "pass", reasons: [], class: "4-bit" });
    for (const numerics of ["qat", "official"] as const)
      expect((await referenceLogits(path, numerics, tokens)).every(Number.isFinite)).toBe(true);
  });
});
