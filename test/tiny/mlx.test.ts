import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { readRows, rowCount, rowLength } from "../../tools/checkpoint/read-rows.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { takeCensus } from "../../tools/model/census.ts";
import type { ValidationReport } from "../../tools/validate/report.ts";
import { expectRefusal } from "../support/attack.ts";
import { cli } from "../support/cli.ts";
import { scratchFolder } from "../support/scratch.ts";
import { copyCheckpoint, shardOf, writeShard } from "../support/shards.ts";

const folder = scratchFolder();
const mlx = join(folder, "mlx");

beforeAll(() => {
  const { code, stderr } = cli(["quantize", DEMO_CHECKPOINT, "--recipe", "mlx-4", "--out", mlx]);
  expect([code, stderr]).toEqual([0, ""]);
});

test("an MLX folder is read under official names: experts exactly, the rest within 8 bits, and it validates", () => {
  const args = ["--reference", DEMO_CHECKPOINT, "--tokens", "131", "--out", join(folder, "run"), "--json"];
  const { code, stdout } = cli(["validate", mlx, ...args]);
  expect(code).toBe(0);
  const { tensors, absent, verdict } = JSON.parse(stdout) as ValidationReport;
  expect(verdict).toEqual({ result: "pass", reasons: [], class: "lossless" });
  expect(absent).toEqual([]);
  expect(tensors.find(({ role }) => role === "expert")).toMatchObject({ from: "fp4", to: "fp4", unequal: 0 });
  const attention = tensors.find(({ to, role }) => to === "mlx_affine8" && role === "attention");
  expect(attention?.worst.relativeRmse).toBeLessThan(0.01);
});

test("an MLX folder is a source like any other: decoded to F32 it holds the same values", async () => {
  const out = join(folder, "f32.gguf");
  expect(cli(["quantize", mlx, "--bits", "32", "--mtp", "drop", "--out", out]).code).toBe(0);
  const kernels = loadKernels();
  const [from, to] = [await openCheckpoint(mlx), await openCheckpoint(out)];
  const [a, b] = [from, to].map(
    ({ config, tensors, location }) => takeCensus(config, tensors, location).entries,
  );
  let affine = 0;
  for (const [i, entry] of a.entries()) {
    if (!entry.format.startsWith("mlx_affine")) continue;
    affine++;
    const x = new Float32Array(rowCount(entry) * rowLength(entry));
    const y = new Float32Array(x.length);
    await readRows(from, kernels, entry, 0, x);
    await readRows(to, kernels, b[i], 0, y);
    expect(Buffer.from(y.buffer).equals(Buffer.from(x.buffer)), entry.spec.name).toBe(true);
  }
  expect(affine).toBe(36);
  await from.close();
  await to.close();
});

test("a stack without one of its experts, and words of another length, are named", () => {
  const stack = "model.layers.1.ffn.switch_mlp.up_proj.weight";
  const words = "model.layers.0.attn.wkv.weight";
  for (const [name, reshape, expected] of [
    [stack, ([count, out, width]: number[]) => [count / 2, out * 2, width], /does not hold every expert/],
    [words, ([out, width]: number[]) => [out * 2, width / 2], /another|fit|expected \[128, 64\]/],
  ] as const) {
    const copy = copyCheckpoint(mlx, join(folder, `damaged-${name}`));
    const shard = shardOf(copy, name);
    shard.header[name].shape = reshape(shard.header[name].shape);
    writeShard(shard);
    const result = cli(["inspect", copy]);
    expectRefusal(result, 65, expected);
  }
});
