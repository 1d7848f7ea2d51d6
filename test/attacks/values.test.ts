import { join } from "node:path";
import { expect, test } from "vitest";
import { attackGround, EXPERT, EXPERT_SCALE, expectRefusal } from "../support/attack.ts";
import { cli } from "../support/cli.ts";
import { copyCheckpoint, patchTensor } from "../support/shards.ts";

const { folder, base, attack } = attackGround();

test("E8M0 scale byte 255 in FP4 and in FP8 scales", () => {
  const poisoned = (tensor: string, at: number) =>
    attack(
      (checkpoint) => patchTensor(checkpoint, tensor, (bytes) => bytes.fill(255, at, at + 1)),
      "quantize",
    );
  expectRefusal(poisoned(EXPERT_SCALE, 19), 65, "255", EXPERT_SCALE, /row 2, column 3/);
  expectRefusal(poisoned("layers.1.attn.wq_a.scale", 3), 65, "255", "wq_a.scale", /row 1, column 1/);
});

test("FP8 NaN codes", () => {
  for (const code of [0x7f, 0xff]) {
    const result = attack(
      (checkpoint) =>
        patchTensor(checkpoint, "layers.1.attn.wkv.weight", (bytes) => bytes.fill(code, 513, 514)),
      "quantize",
    );
    expectRefusal(result, 65, "FP8 code is NaN", "layers.1.attn.wkv.weight", /row 2, column 1/);
  }
});

test("Base F32 scales: zero, negative and NaN are refused, a value that is no power of two is not", () => {
  const scaled = (value: number) =>
    attack(
      (checkpoint) =>
        patchTensor(checkpoint, EXPERT_SCALE, (bytes) =>
          new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4, value, true),
        ),
      "quantize",
      base,
    );
  for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expectRefusal(scaled(value), 65, "F32 block scale", EXPERT_SCALE, /row 0, column 1/);
  const checkpoint = copyCheckpoint(base, join(folder, "odd-scale"));
  patchTensor(checkpoint, EXPERT_SCALE, (bytes) =>
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4, 0.3, true),
  );
  const out = join(folder, "odd.gguf");
  const result = cli(["quantize", checkpoint, "--bits", "32", "--out", out, "--json"]);
  expect(result.code).toBe(0);
  // The product with such a scale rounds in f32, so that tensor alone does not count as preserved.
  const { tensors } = JSON.parse(result.stdout) as { tensors: { name: string; disposition: string }[] };
  expect(tensors.filter(({ disposition }) => disposition === "quantized").map(({ name }) => name)).toEqual([
    EXPERT,
    EXPERT_SCALE,
  ]);
});

test("a routing table that names an expert that does not exist", () => {
  for (const id of [4n, -1n, 1n << 32n]) {
    const result = attack(
      (checkpoint) =>
        patchTensor(checkpoint, "layers.0.ffn.gate.tid2eid", (bytes) =>
          new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(8 * 7, id, true),
        ),
      "quantize",
    );
    expectRefusal(result, 65, "routing table", "tid2eid", "0 to 3", /row 3, column 1/);
  }
});

test("NaN and infinity in gate.bias, hc_* and plain matrices", () => {
  const poisoned = (tensor: string, bytes: number[], at = 8) =>
    attack((checkpoint) => patchTensor(checkpoint, tensor, (data) => data.set(bytes, at)), "quantize");
  expectRefusal(
    poisoned("layers.1.ffn.gate.bias", [0, 0, 0xc0, 0x7f]),
    65,
    "not finite",
    "gate.bias",
    /row 0, column 2/,
  );
  expectRefusal(poisoned("layers.2.hc_attn_fn", [0, 0, 0x80, 0x7f]), 65, "not finite", "hc_attn_fn");
  expectRefusal(poisoned("hc_head_scale", [1, 0, 0x80, 0xff], 0), 65, "not finite", "hc_head_scale");
  expectRefusal(poisoned("embed.weight", [0xc0, 0x7f]), 65, "not finite", "embed.weight", /row 0, column 4/);
});
