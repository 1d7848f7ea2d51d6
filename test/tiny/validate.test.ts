import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { beforeAll, describe, expect, test } from "vitest";
import type { LayerRow, PositionRow, TensorRow } from "../../reports/schemas/validation.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { type GgufEntry, readGgufHeader } from "../../tools/formats/gguf/reader.ts";
import { openForReading } from "../../tools/lib/files.ts";
import type { ValidationReport } from "../../tools/validate/report.ts";
import { cli } from "../support/cli.ts";
import { readNpy } from "../support/npy.ts";
import { largestDifference, referenceLogits } from "../support/reference.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const checkpoint = join(folder, "checkpoint");
const artefact = join(folder, "good.gguf");
let entries: ReadonlyMap<string, GgufEntry>;

beforeAll(async () => {
  await generateCheckpoint({ folder: checkpoint, dims: TINY_DIMS, seed: 3, storage: "official" });
  expect(cli(["quantize", checkpoint, "--bits", "4", "--out", artefact]).code).toBe(0);
  const file = await openForReading(artefact);
  entries = new Map((await readGgufHeader(file)).entries.map((entry) => [entry.name, entry]));
  await file.close();
});

let runs = 0;
/** Validates against the checkpoint and returns the report with the exit code. */
function validate(path: string, ...args: string[]) {
  const out = join(folder, `run-${runs++}`);
  const { code, stdout, stderr } = cli([
    "validate",
    path,
    ...(args.includes("--reference") ? [] : ["--reference", checkpoint]),
    ...["--tokens", "300", "--out", out, "--json", "--quiet"],
    ...args,
  ]);
  const report = JSON.parse(stdout) as ValidationReport & { error?: { message: string } };
  return { code, report, stderr, out };
}

/** A copy of the good artefact with some of its bytes changed. */
function spoiled(name: string, spoil: (bytes: Buffer) => void): string {
  const path = join(folder, `${name}.gguf`);
  copyFileSync(artefact, path);
  const bytes = readFileSync(path);
  spoil(bytes);
  writeFileSync(path, bytes);
  return path;
}

const entry = (name: string): GgufEntry => entries.get(name) as GgufEntry;
const bytesOf = (bytes: Buffer, { byteOffset, byteLength }: GgufEntry): Buffer =>
  bytes.subarray(byteOffset, byteOffset + byteLength);

/** Where a metadata value of fixed size begins: behind the key and its type. */
function valueAt(bytes: Buffer, key: string): number {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(key.length));
  return bytes.indexOf(Buffer.concat([length, Buffer.from(key)])) + 8 + key.length + 4;
}

const rowsOf = <Row>(path: string): Row[] =>
  tableFromIPC(readFileSync(path))
    .toArray()
    .map((row) => row.toJSON() as Row);

describe("a good artefact", () => {
  test("passes, and leaves a report and three tables", () => {
    const { code, report, out } = validate(artefact);
    expect(report.verdict).toMatchObject({ result: "pass", reasons: [], class: "lossless" });
    expect(code).toBe(0);
    expect(readdirSync(out).sort()).toEqual([
      "layers.arrow",
      "positions.arrow",
      "report.json",
      "tensors.arrow",
    ]);
    expect(JSON.parse(readFileSync(join(out, "report.json"), "utf8"))).toEqual(report);
    const tensors = rowsOf<TensorRow>(join(out, "tensors.arrow"));
    expect(tensors.length).toBe(report.tensors.reduce((sum, group) => sum + group.tensors, 0));
    for (const { role, promised, unequal, relativeRmse } of tensors) {
      if (role === "expert") expect(promised).toBe(true);
      if (promised) expect(unequal).toBe(0);
      else expect(relativeRmse).toBeLessThan(0.02);
    }
    expect(rowsOf<LayerRow>(join(out, "layers.arrow"))).toEqual(report.layers);
    const positions = rowsOf<PositionRow>(join(out, "positions.arrow"));
    expect(positions.length).toBe(report.prompts.tokens);
    const mean = positions.reduce((sum, { kl }) => sum + kl, 0) / positions.length;
    expect(report.logits?.kl.mean).toBeCloseTo(mean, 12);
    // The MTP block went to a sidecar.
    expect(report.absent.every((name) => name.startsWith("mtp.0."))).toBe(true);
    expect(report.absent.length).toBeGreaterThan(20);
  });

  test("the same figures for one thread and two", () => {
    for (const numerics of ["fp32", "official"]) {
      const [one, two] = ["1", "2"].map((threads) =>
        validate(artefact, "--threads", threads, "--numerics", numerics, "--tokens", "140"),
      );
      const { elapsedMs: _, out: __, ...rest } = one.report;
      expect(two.report).toMatchObject(rest);
    }
  });

  test("fails a limit that it does not keep", () => {
    const { code, report } = validate(artefact, "--max-kld", "0");
    expect(code).not.toBe(0);
    expect(report.verdict.result).not.toBe("pass");
    expect(report.verdict.reasons.join()).toMatch(/mean KL .* limit 0/);
  });
});

test("a checkpoint against itself differs in nothing", () => {
  const { code, report } = validate(checkpoint);
  expect(code).toBe(0);
  expect(report.absent).toEqual([]);
  for (const { unequal } of report.tensors) expect(unequal).toBe(0);
  for (const layer of report.layers)
    expect(layer).toMatchObject({ nmse: 0, maxDifference: 0, expertsChanged: 0, rowsChanged: 0 });
  expect(Math.abs(report.logits?.kl.max ?? 1)).toBeLessThan(1e-12);
});

describe("silently broken artefacts fail by name", () => {
  const failing = (path: string, reason: RegExp): void => {
    const { code, report } = validate(path);
    expect(report.verdict.result).toBe("fail");
    expect(report.verdict.reasons.join("\n")).toMatch(reason);
    expect(code).toBe(1);
  };

  test("one expert's scales one step too high", () => {
    const stack = "blk.2.ffn_up_exps.weight";
    const path = spoiled("scales", (bytes) => {
      const all = bytesOf(bytes, entry(stack));
      const expert = all.subarray(3 * (all.length / 8), 4 * (all.length / 8));
      for (let at = 0; at < expert.length; at += 17) expert[at]++;
    });
    failing(path, /layers\.2\.ffn\.experts\.3\.w3\.weight: \d+ of \d+ values differ.*relative RMSE 1\.00/);
  });

  test("a transposed matrix", () => {
    const path = spoiled("transposed", (bytes) => {
      // wo_b is square here (256 x 256) and q8_0; the router (8 x 256, BF16) is easier to turn: rows become columns.
      const router = bytesOf(bytes, entry("blk.1.ffn_gate_inp.weight"));
      const old = new Uint16Array(router.buffer.slice(router.byteOffset, router.byteOffset + router.length));
      const [rows, cols] = [8, 256];
      old.forEach((value, i) => {
        router.writeUInt16LE(value, 2 * ((i % cols) * rows + Math.floor(i / cols)));
      });
    });
    failing(path, /layers\.1\.ffn\.gate\.weight: \d+ of \d+ values differ.*relative RMSE 1\.\d/);
  });

  test("two experts exchanged", () => {
    const path = spoiled("exchanged", (bytes) => {
      const all = bytesOf(bytes, entry("blk.3.ffn_down_exps.weight"));
      const size = all.length / 8;
      const first = Buffer.from(all.subarray(0, size));
      all.copyWithin(0, size, 2 * size);
      first.copy(all, size);
    });
    failing(path, /layers\.3\.ffn\.experts\.0\.w2\.weight/);
  });

  test("a wrong rope base in the metadata", () => {
    const key = "deepseek4.attention.compress_rope_freq_base";
    const path = spoiled("rope", (bytes) => bytes.writeFloatLE(10_000, valueAt(bytes, key)));
    failing(path, /deepseek4\.attention\.compress_rope_freq_base: .*expected 160000, found 10000/);
  });

  test("a wrong clamp in one layer", () => {
    const path = spoiled("clamp", (bytes) => {
      // An array: its element type and count stand before the values.
      bytes.writeFloatLE(7, valueAt(bytes, "deepseek4.swiglu_clamp_exp") + 12);
    });
    failing(path, /deepseek4\.swiglu_clamp_exp/);
  });

  test("a token of another vocabulary", () => {
    const path = spoiled("token", (bytes) => {
      const at = bytes.indexOf("<｜User｜>");
      bytes.write("<｜Uzer｜>", at);
    });
    failing(path, /tokenizer\.ggml\.tokens: .*Uzer/);
  });

  test("q8_0 blocks of a dense matrix with one scale lost", () => {
    const path = spoiled("dense", (bytes) => {
      const matrix = bytesOf(bytes, entry("blk.0.attn_q_b.weight"));
      for (let at = 0; at < matrix.length / 4; at += 34) matrix.writeUInt16LE(0, at);
    });
    failing(path, /layers\.0\.attn\.wq_b\.weight: relative RMSE 0\.\d+, limit 0\.02 for q8_0/);
  });
});

test("a missing tensor is a finding, and nothing is run", async () => {
  const bare = join(folder, "bare");
  await generateCheckpoint({
    folder: bare,
    dims: { ...TINY_DIMS, layerCount: 3 },
    seed: 3,
    storage: "official",
  });
  const { code, report } = validate(bare);
  expect(code).toBe(1);
  expect(report.verdict.reasons.join()).toMatch(/layerCount/);
  expect(report.layers).toEqual([]);
});

test("one checkpoint alone: perplexity, no verdict on a difference", () => {
  const out = join(folder, "alone");
  const { code, stdout } = cli([
    "validate",
    checkpoint,
    "--tokens",
    "200",
    "--out",
    out,
    "--quiet",
    "--json",
  ]);
  const report = JSON.parse(stdout) as ValidationReport;
  expect(code).toBe(0);
  expect(report.reference).toBeUndefined();
  expect(report.logits?.perplexity.candidate.mean).toBeGreaterThan(1);
});

test("--tokens-file and --dump-logits: the logits of the forward pass", async () => {
  const tokens = Array.from({ length: 70 }, (_, i) => (i * 37 + 5) % TINY_DIMS.vocabSize);
  const file = join(folder, "tokens.json");
  const npy = join(folder, "logits.npy");
  writeFileSync(file, JSON.stringify({ tokens }));
  const { code } = cli([
    "validate",
    checkpoint,
    ...["--tokens-file", file, "--dump-logits", npy, "--out", join(folder, "dump"), "--quiet"],
  ]);
  expect(code).toBe(0);
  const { shape, data } = readNpy(npy);
  expect(shape).toEqual([70, TINY_DIMS.vocabSize]);
  expect(largestDifference(data, await referenceLogits(checkpoint, "fp32", tokens))).toBeLessThan(1e-6);
});

describe("--tensor", () => {
  const rebuild = (path: string, name: string) =>
    cli(["validate", path, "--reference", checkpoint, "--tensor", name]);

  test.each([
    "layers.1.attn.wq_b.weight",
    "layers.2.ffn.experts.3.w3.weight",
    "blk.2.ffn_up_exps.weight",
    "layers.0.ffn.gate.tid2eid",
    "embed.weight",
  ])("%s is rebuilt byte for byte", (name) => {
    const { code, stdout } = rebuild(artefact, name);
    expect(stdout).toMatch(/^EQUAL/);
    expect(code).toBe(0);
  });

  test("a difference is named by row, column and both values", () => {
    const path = spoiled("one-byte", (bytes) => {
      bytesOf(bytes, entry("blk.1.attn_q_b.weight"))[34 * 9 + 2 + 5] ^= 1;
    });
    const { code, stdout } = rebuild(path, "layers.1.attn.wq_b.weight");
    // Rows of 256 values are 8 blocks: block 9 is the second of row 1.
    expect(stdout).toMatch(/^DIFFERENT .*: 1 bytes differ/);
    expect(stdout).toMatch(/row 1, column 37: rebuilt \S+, stored \S+/);
    expect(code).toBe(1);
  });

  test("an unknown name", () => {
    const { code, stderr } = rebuild(artefact, "layers.9.nothing");
    expect(code).toBe(66);
    expect(stderr).toMatch(/no tensor of that name in both checkpoints/);
  });
});

test("what cannot be asked", () => {
  for (const args of [
    ["--tokens", "0"],
    ["--threads", "0"],
    ["--max-kld", "-1"],
    ["--prompts", "a", "--tokens-file", "b"],
    ["--tensor", "x"],
  ])
    expect(cli(["validate", artefact, ...args]).code).toBe(64);
  expect(cli(["validate", join(folder, "none.gguf")]).code).toBe(66);
  expect(existsSync(`${artefact}.v4kit`)).toBe(false);
});
