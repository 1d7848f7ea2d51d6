import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import type { V4Error } from "../../tools/lib/errors.ts";
import { takeCensus } from "../../tools/model/census.ts";
import type { StoredTensor } from "../../tools/model/stored-tensor.ts";
import { EXPERT_LAYOUTS, writeArtefact } from "../support/artefacts.ts";
import { addTensor, attackGround, EXPERT, EXPERT_SCALE, expectRefusal } from "../support/attack.ts";
import { cli } from "../support/cli.ts";
import { copyCheckpoint, patchTensor } from "../support/shards.ts";

/** Hostile safetensors artefacts: NVFP4 of ModelOpt, NVFP4 and INT4 of compressed-tensors. */

const { folder, official, attack } = attackGround();
const { kernels } = chooseKernels();
const modelopt = join(folder, "modelopt");
const nvfp4 = join(folder, "nvfp4");
const int4 = join(folder, "int4");

beforeAll(async () => {
  for (const [path, name] of [
    [modelopt, "ModelOpt NVFP4, searched"],
    [nvfp4, "compressed-tensors NVFP4"],
    [int4, "compressed-tensors INT4 with zero points"],
  ] as const)
    await writeArtefact(kernels, official, path, () => EXPERT_LAYOUTS[name]);
});

const STEM = EXPERT.replace(/weight$/, "");
const PACKED = `${EXPERT}_packed`;

/** What the census says of an artefact whose headers were changed. */
async function census(from: string, change: (tensors: Map<string, StoredTensor>) => void): Promise<string> {
  const source = await openCheckpoint(from);
  try {
    const tensors = new Map(source.tensors);
    change(tensors);
    takeCensus(source.config, tensors, from);
    return "no complaint";
  } catch (error) {
    expect(error).toMatchObject({ kind: "data" });
    return (error as V4Error).message;
  } finally {
    await source.close();
  }
}

const without = (name: string) => (tensors: Map<string, StoredTensor>) => tensors.delete(name);
const changed =
  (name: string, change: (old: StoredTensor) => Partial<StoredTensor>) =>
  (tensors: Map<string, StoredTensor>) => {
    const old = tensors.get(name) as StoredTensor;
    tensors.set(name, { ...old, ...change(old) });
  };
const added = (name: string) => (tensors: Map<string, StoredTensor>) =>
  tensors.set(name, { name, dtype: "f32", shape: [1], byteLength: 4, file: "shard" });

describe("headers", () => {
  test("a partner that is missing", async () => {
    for (const [from, weight, suffix] of [
      [modelopt, EXPERT, "weight_scale"],
      [modelopt, EXPERT, "weight_scale_2"],
      [nvfp4, PACKED, "weight_scale"],
      [nvfp4, PACKED, "weight_global_scale"],
      [int4, PACKED, "weight_scale"],
      [int4, PACKED, "weight_shape"],
    ]) {
      const what = `the ${from === int4 ? "INT4" : "NVFP4"} weight has no ${suffix} (expected a tensor ${STEM}${suffix})`;
      expect(await census(from, without(STEM + suffix))).toContain(`tensor ${weight}: ${what}`);
    }
    expect(await census(int4, without(PACKED))).toContain(
      `${EXPERT}: the checkpoint lacks expert w1 of layer 1`,
    );
    // Engines need it, values do not.
    expect(await census(modelopt, without(`${STEM}input_scale`))).toBe("no complaint");
  });

  test("a partner that nothing needs", async () => {
    const orphan = "a scale, shape or zero point without a packed weight that needs it";
    for (const suffix of [
      "weight_scale",
      "weight_scale_2",
      "weight_global_scale",
      "weight_shape",
      "input_scale",
    ])
      expect(await census(official, added(STEM + suffix))).toContain(`tensor ${STEM}${suffix}: ${orphan}`);
    // INT4's zero points beside NVFP4, the scale of the native format, and groups in an order of their own.
    const zeros = `${STEM}weight_zero_point`;
    expect(await census(nvfp4, added(zeros))).toContain(`tensor ${zeros}: ${orphan}`);
    expect(await census(modelopt, added(EXPERT_SCALE))).toContain(
      `${EXPERT_SCALE}: a scale without a weight`,
    );
    expect(await census(int4, added(`${STEM}weight_g_idx`))).toContain(
      `tensor ${STEM}weight_g_idx: INT4 groups in activation order are not supported`,
    );
  });

  test("wrong shapes", async () => {
    const swapped = ({ shape }: StoredTensor) => ({ shape: [...shape].reverse() });
    for (const [from, tensor] of [
      [modelopt, EXPERT],
      [modelopt, `${STEM}weight_scale`],
      [nvfp4, PACKED],
      [nvfp4, `${STEM}weight_scale`],
      [int4, PACKED],
      [int4, `${STEM}weight_zero_point`],
    ])
      expect(await census(from, changed(tensor, swapped))).toMatch(
        new RegExp(`tensor ${tensor}: the shape does not fit the configuration \\(expected \\[`),
      );
    for (const [from, suffix, expected] of [
      [modelopt, "weight_scale_2", "[1]"],
      [modelopt, "input_scale", "[1]"],
      [nvfp4, "weight_global_scale", "[1]"],
      [int4, "weight_shape", "[2]"],
    ])
      expect(
        await census(
          from,
          changed(STEM + suffix, () => ({ shape: [1, 2] })),
        ),
      ).toMatch(
        `tensor ${STEM}${suffix}: the shape does not fit the configuration (expected ${expected}, found [1, 2])`,
      );
    // Half the rows with twice the scales, all in one row, a scale per row, groups of 8.
    for (const shape of [[128, 8], [1024], [256, 1], [256, 32], []])
      expect(
        await census(
          int4,
          changed(`${STEM}weight_scale`, () => ({ shape })),
        ),
      ).toContain(
        `tensor ${STEM}weight_scale: the scale has the wrong shape (expected [256, 256 / group] for groups of 32, 64, 128`,
      );
  });

  test("wrong dtypes", async () => {
    for (const [from, tensor, dtype, expected] of [
      [modelopt, `${STEM}weight_scale`, "F8_E8M0", "F8_E4M3"],
      [modelopt, `${STEM}weight_scale_2`, "i32", "F32"],
      [modelopt, `${STEM}input_scale`, "i32", "F32"],
      [nvfp4, `${STEM}weight_scale`, "u8", "F8_E4M3"],
      [nvfp4, `${STEM}weight_global_scale`, "f64", "F32"],
      [nvfp4, PACKED, "i8", "I32 or U8"],
      [int4, PACKED, "i64", "I32 or U8"],
      [int4, `${STEM}weight_scale`, "f32", "BF16 or F16"],
      [int4, `${STEM}weight_shape`, "i32", "I64"],
      [int4, `${STEM}weight_zero_point`, "u8", "I32"],
    ] as const)
      expect(
        await census(
          from,
          changed(tensor, () => ({ dtype })),
        ),
      ).toContain(`tensor ${tensor}: wrong dtype (expected ${expected}, found ${dtype.toUpperCase()})`);
    // No such storage for what is no matrix.
    const norm = changed("layers.1.attn_norm.weight", () => ({ dtype: "u8" }));
    expect(await census(modelopt, norm)).toContain("layers.1.attn_norm.weight: wrong dtype for norm");
  });
});

describe("values", () => {
  const put =
    (tensor: string, values: ArrayLike<number>, at = 0) =>
    (checkpoint: string) =>
      patchTensor(checkpoint, tensor, (bytes) => bytes.set(Uint8Array.from(values), at));
  const f32 = (value: number) => new Uint8Array(Float32Array.of(value).buffer);

  test("group scales that are not finite", () => {
    expectRefusal(
      attack(put(`${STEM}weight_scale`, [0xff], 3 * 16 + 5), "quantize", modelopt),
      65,
      `tensor ${STEM}weight_scale: a group scale is not finite at scale row 3, column 5`,
    );
    expectRefusal(
      attack(put(`${STEM}weight_scale`, [0xc0, 0x7f], 2 * (2 * 4 + 1)), "quantize", int4),
      65,
      `tensor ${STEM}weight_scale: a group scale is not finite at scale row 2, column 1`,
    );
  });

  test("global scales that are no scale: a factor of 0, a divisor whose inverse is infinite", () => {
    for (const [from, suffix, value] of [
      [modelopt, "weight_scale_2", 0],
      [nvfp4, "weight_global_scale", 2 ** -149],
    ] as const)
      expectRefusal(
        attack(put(STEM + suffix, f32(value)), "quantize", from),
        65,
        `tensor ${STEM}${suffix}: the global scale, or its inverse, is zero, negative or not finite`,
      );
  });

  test("a packed matrix that says it has another shape", () => {
    const stated = BigInt64Array.of(257n, 256n);
    const bytes = new Uint8Array(stated.buffer);
    expectRefusal(
      attack(put(`${STEM}weight_shape`, bytes), "quantize", int4),
      65,
      `${STEM}weight_shape`,
      "[257, 256]",
    );
  });

  test("validate and generate name the tensor too, in one line", () => {
    for (const [name, from, suffix, values] of [
      ["factor", modelopt, "weight_scale_2", f32(0)],
      ["scale", int4, "weight_scale", [0xc0, 0x7f]],
      ["shape", int4, "weight_shape", [1]],
    ] as const) {
      const checkpoint = copyCheckpoint(from, join(folder, `run-${name}`));
      // Every expert of a layer, so that some token reaches one.
      for (let e = 0; e < 4; e++) put(`layers.1.ffn.experts.${e}.w1.${suffix}`, values)(checkpoint);
      const named = new RegExp(`tensor layers\\.1\\.ffn\\.experts\\.\\d\\.w1\\.${suffix}: `);
      const out = join(folder, `report-${name}`);
      const reference = ["--reference", official, "--tokens", "16", "--quiet", "--out", out];
      expectRefusal(cli(["validate", checkpoint, ...reference]), 65, named);
      expectRefusal(
        cli(["generate", checkpoint, "--prompt", "hello", "--max-tokens", "1", "--quiet"]),
        65,
        named,
      );
    }
  });
});

test("a matrix stored in two ways, in one line", () => {
  const twice = attack((checkpoint) => addTensor(checkpoint, EXPERT), "inspect", int4);
  expectRefusal(twice, 65, `${PACKED}: the matrix is stored twice (found ${EXPERT})`);
});
