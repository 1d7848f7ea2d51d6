import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { E2M1 } from "../../kernels/scalar/fp4.ts";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { FLASH_LAYER_DIMS, TINY_DIMS } from "../../tools/demo/generate-config.ts";
import { readGgufHeader } from "../../tools/formats/gguf/reader.ts";
import { openForReading } from "../../tools/lib/files.ts";
import { cli, ROOT } from "../support/cli.ts";
import { goldenCheckpoint } from "../support/golden.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";
import { readShard, shardPaths } from "../support/shards.ts";

const folder = scratchFolder();
const official = join(folder, "official");
const base = join(folder, "base");
const plain = join(folder, "f32");

beforeAll(async () => {
  for (const [path, storage] of [
    [official, "official"],
    [base, "base"],
    [plain, "f32"],
  ] as const)
    await generateCheckpoint({ folder: path, dims: TINY_DIMS, seed: 3, storage });
});

interface Report {
  readonly outputs: { readonly path: string; readonly byteLength: number }[];
  readonly dispositions: Record<string, number>;
  readonly tensors: {
    readonly name: string;
    readonly disposition: string;
    readonly output?: string;
    readonly format?: string;
  }[];
}

function quantize(...args: string[]): Report {
  const { code, stdout, stderr } = cli(["quantize", "--json", ...args]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return JSON.parse(stdout) as Report;
}

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

test("kernels that do not run here are refused by name", () => {
  expect(
    cli(["quantize", base, "--bits", "4", "--out", join(folder, "x.gguf")], {
      env: { V4KIT_KERNELS: "sse9" },
    }),
  ).toMatchObject({
    code: 69,
    stderr: expect.stringMatching(
      /^v4kit: V4KIT_KERNELS=sse9: not available here; expected one of scalar, .*\n$/,
    ),
  });
});

test("without the compiled addon the twins run, say so in one line, and give the same bytes", () => {
  const installed = join(folder, "installed");
  cpSync(join(ROOT, "dist"), join(installed, "dist"), {
    recursive: true,
    filter: (path) => !/\.node|objects|\.o$/.test(path),
  });
  for (const name of ["package.json", "configs"])
    cpSync(join(ROOT, name), join(installed, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(installed, "node_modules"));
  const out = join(folder, "slow.gguf");
  const args = [join(installed, "dist/tools/cli.js"), "quantize", official, "--bits", "4", "--out", out];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(status).toBe(0);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toContain("TypeScript kernels");
  const fast = join(folder, "fast.gguf");
  quantize(official, "--bits", "4", "--out", fast);
  expect(sha256(out)).toBe(sha256(fast));
});

test("every tensor of the source is accounted for, once", () => {
  for (const [from, bits] of [
    [official, "4"],
    [official, "16"],
    [base, "8"],
    [plain, "32"],
  ]) {
    const names = shardPaths(from).flatMap((path) =>
      Object.keys(readShard(path).header).filter((name) => name !== "__metadata__"),
    );
    for (const mtp of ["sidecar", "drop"]) {
      const report = quantize(
        from,
        "--bits",
        bits,
        "--mtp",
        mtp,
        "--dry-run",
        "--out",
        join(folder, "never.gguf"),
      );
      expect(report.tensors.map(({ name }) => name).sort()).toEqual(names.sort());
      const drafter = report.tensors.filter(({ name }) => name.startsWith("mtp."));
      expect(drafter.length).toBeGreaterThan(0);
      expect(new Set(drafter.map(({ disposition }) => disposition))).toEqual(
        new Set([mtp === "drop" ? "dropped" : "externalised"]),
      );
    }
  }
  expect(existsSync(join(folder, "never.gguf"))).toBe(false);
});

test("FP4, FP8 and BF16 are preserved value for value in 16 and 32 bits", () => {
  for (const bits of ["16", "32"]) {
    const report = quantize(official, "--bits", bits, "--out", join(folder, `exact-${bits}.gguf`));
    expect(report.dispositions.quantized).toBe(0);
    expect(report.dispositions.dropped).toBe(0);
  }
});

test("the planned size is the written size", () => {
  for (const bits of FULL ? ["4", "8", "16", "32"] : ["4", "32"]) {
    const out = join(folder, `size-${bits}.gguf`);
    const dry = quantize(base, "--bits", bits, "--out", out, "--dry-run");
    const wet = quantize(base, "--bits", bits, "--out", out);
    expect(dry.outputs).toEqual(wet.outputs);
    for (const { path, byteLength } of wet.outputs) expect(statSync(path).size).toBe(byteLength);
  }
});

/** Value of an E8M0 byte, written out as the format states it. */
const e8m0 = (byte: number): number => 2 ** (byte - 127);

test("every MXFP4 block holds exactly the source's FP4 x E8M0 values", async () => {
  // Decoded here from the two layouts as their specifications state them, without our kernels.
  for (const checkpoint of [goldenCheckpoint("case-a"), official]) {
    const out = join(folder, "mxfp4.gguf");
    quantize(checkpoint, "--bits", "4", "--out", out, "--force");
    const written = readFileSync(out);
    const file = await openForReading(out);
    const { entries } = await readGgufHeader(file).finally(() => file.close());
    const shards = shardPaths(checkpoint).map(readShard);
    const stored = (name: string): Uint8Array => {
      const shard = shards.find(({ header }) => name in header);
      if (!shard) throw new Error(name);
      const [begin, end] = shard.header[name].data_offsets;
      return shard.data.subarray(begin, end);
    };
    let blocks = 0;
    for (const { name, byteOffset, ne } of entries.filter(({ dtype }) => dtype === "mxfp4")) {
      const [, layer, part] = /^blk\.(\d+)\.ffn_(gate|up|down)_exps/.exec(name) as RegExpExecArray;
      const w = { gate: "w1", up: "w3", down: "w2" }[part];
      const [cols, rows, experts] = ne;
      for (let expert = 0; expert < experts; expert++) {
        const codes = stored(`layers.${layer}.ffn.experts.${expert}.${w}.weight`);
        const scales = stored(`layers.${layer}.ffn.experts.${expert}.${w}.scale`);
        for (let block = 0; block < (rows * cols) / 32; block++) {
          const at = byteOffset + 17 * (expert * ((rows * cols) / 32) + block);
          for (let i = 0; i < 32; i++) {
            const source = codes[16 * block + (i >> 1)];
            const want = E2M1[i & 1 ? source >> 4 : source & 15] * e8m0(scales[block]);
            const packed = written[at + 1 + (i & 15)];
            const got = E2M1[i < 16 ? packed & 15 : packed >> 4] * e8m0(written[at]);
            if (!Object.is(got, want))
              throw new Error(`${name} expert ${expert} block ${block} element ${i}: ${got}, source ${want}`);
          }
          blocks++;
        }
      }
    }
    expect(blocks).toBeGreaterThan(1e4);
  }
});

test("a finished output is kept unless --force says otherwise, and a dry run touches nothing", () => {
  const out = join(folder, "kept.gguf");
  writeFileSync(out, "precious");
  const refused = cli(["quantize", official, "--bits", "4", "--out", out]);
  expect(refused.code).toBe(64);
  expect(refused.stderr).toContain("exists already");
  expect(readFileSync(out, "utf8")).toBe("precious");
  const before = readdirSync(folder).sort();
  expect(cli(["quantize", official, "--bits", "4", "--out", out, "--dry-run"]).code).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(before);
  quantize(official, "--bits", "4", "--out", out, "--force");
  expect(readFileSync(out).subarray(0, 4).toString()).toBe("GGUF");
});

test("what people see: a table on stdout, nothing on stderr, nothing at all with --quiet", () => {
  const shown = cli(["quantize", official, "--bits", "4", "--out", join(folder, "shown.gguf")]);
  expect(shown.stdout).toMatch(/expert\s+fp4\s+mxfp4/);
  expect(shown.stdout).toMatch(/\d+ quantized, \d+ preserved, \d+ externalised/);
  expect(shown.stderr).toBe("");
  const quiet = cli(["quantize", official, "--bits", "4", "--out", join(folder, "quiet.gguf"), "--quiet"]);
  expect([quiet.code, quiet.stdout, quiet.stderr]).toEqual([0, "", ""]);
});

test("usage errors are one line and exit 64", () => {
  for (const args of [
    ["quantize"],
    ["quantize", official],
    ["quantize", official, "--bits", "5"],
    ["quantize", official, "--bits", "4", "--wrokers", "2"],
    ["quantize", official, "--bits", "4", "--workers", "0"],
    ["inspect", official, "--config", "nowhere.yaml"],
    ["frobnicate"],
    [],
    ["quantize", official, "--bits", "4", "--out", "x.bin"],
    ["inspect", official, "--variant", "flash"],
    ["inspect", "--variant", "huge"],
  ]) {
    const { code, stderr, stdout } = cli(args, { cwd: folder });
    expect([code, stderr.trim().split("\n").length, stdout], args.join(" ")).toEqual([64, 1, ""]);
  }
});

/** Lays a checkpoint out as the Hugging Face cache does: blobs by hash, and a snapshot of relative links to them. */
function intoCache(checkpoint: string, cache: string, repository: string): void {
  const root = join(cache, `models--${repository.replaceAll("/", "--")}`);
  const snapshot = join(root, "snapshots", "0123abcd");
  for (const path of [join(root, "blobs"), join(root, "refs"), snapshot])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(root, "refs", "main"), "0123abcd");
  for (const name of readdirSync(checkpoint)) {
    const blob = sha256(join(checkpoint, name));
    copyFileSync(join(checkpoint, name), join(root, "blobs", blob));
    symlinkSync(join("..", "..", "blobs", blob), join(snapshot, name));
  }
}

test("a Hub id or variant is found in the cache, or named as not downloaded", () => {
  const env = { HF_HUB_CACHE: join(folder, "hub"), HF_HUB_OFFLINE: "1" };
  const missing = cli(["inspect", "--variant", "flash"], { env });
  expect(missing.code).toBe(69);
  expect(missing.stderr).toContain("deepseek-ai/DeepSeek-V4-Flash is not in the Hugging Face cache");
  intoCache(official, env.HF_HUB_CACHE, "deepseek-ai/DeepSeek-V4-Flash");
  const home = join(folder, "working-directory");
  mkdirSync(home);
  expect(cli(["quantize", "--variant", "flash", "--bits", "4"], { env, cwd: home })).toMatchObject({
    code: 0,
  });
  expect(readdirSync(home).sort()).toEqual([
    "DeepSeek-V4-Flash-lossless-4.gguf",
    "DeepSeek-V4-Flash-lossless-4.v4kit",
    "mtp-DeepSeek-V4-Flash-lossless-4.gguf",
  ]);
  for (const name of ["deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Flash@0123abcd"])
    expect(cli(["inspect", name], { env }).code).toBe(0);
  expect(cli(["inspect", "deepseek-ai/DeepSeek-V4-Flash@v2"], { env }).code).toBe(69);
});

test("flags can come from a YAML file, and an artefact can be inspected like a checkpoint", () => {
  const flags = join(folder, "flags.yaml");
  const out = join(folder, "from-flags.gguf");
  writeFileSync(flags, `bits: 8\nout: ${out}\nmtp: drop\n`);
  expect(cli(["quantize", official, "--config", flags])).toMatchObject({ code: 0 });
  const { stdout } = cli(["inspect", out, "--json"]);
  const report = JSON.parse(stdout) as { layout: string; classes: { role: string; format: string }[] };
  expect(report.layout).toBe("gguf");
  expect(report.classes).toContainEqual(expect.objectContaining({ role: "expert", format: "mxfp4" }));
  expect(report.classes).toContainEqual(expect.objectContaining({ role: "head", format: "q8_0" }));
});

test.runIf(FULL)(
  "Flash-shaped experts: bounded memory on a checkpoint of more than 3 GB",
  async () => {
    const { measureMemory } = await import("../bench/quantize-memory.ts");
    const checkpoint = join(folder, "flash-layer");
    await generateCheckpoint({ folder: checkpoint, dims: FLASH_LAYER_DIMS, seed: 1, storage: "official" });
    const sourceBytes = shardPaths(checkpoint).reduce((sum, path) => sum + statSync(path).size, 0);
    const run = { checkpoint, scratch: folder, recipe: "lossless-4", workers: 2 };
    const peakBytes = await measureMemory(run);
    rmSync(checkpoint, { recursive: true });
    console.log(
      `${(sourceBytes / 2 ** 30).toFixed(2)} GiB source, peak resident ${(peakBytes / 2 ** 20).toFixed(0)} MiB`,
    );
    expect(sourceBytes).toBeGreaterThan(3e9);
    expect(peakBytes).toBeLessThanOrEqual(1.5 * 2 ** 30);
  },
  600_000,
);
