import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import { changeMembers, readMembers, writeMembers } from "../../tools/lib/json-members.ts";
import { compressedTensorsConfig } from "../../tools/model/compressed-tensors-config.ts";
import { parseConfig } from "../../tools/model/config.ts";
import { configMembers } from "../../tools/model/config-json.ts";
import { type OutputQuantization, outputConfig } from "../../tools/model/output-config.ts";
import { FLASH, FLASH_0731, PRO, PRO_0813 } from "../fixtures/release-configs.ts";

const official = readFileSync(join(DEMO_CHECKPOINT, "config.json"), "utf8");
const as = (
  quantization: OutputQuantization,
  { source = official, drafter = true }: { source?: string; drafter?: boolean } = {},
): string => outputConfig(readMembers(source), { quantization, drafter });
const fp8 = { method: "fp8", block: [128, 128], plain: [] } as const;

test("members keep the text of their values, whatever brackets and quotes strings hold", () => {
  const text = String.raw`{ "a": 10.0, "b\"}": "x,}]\\", "__proto__": [ {"c": "]"}, [1e-06] ], "e":{}, "f": null }`;
  expect([...readMembers(text)]).toEqual([
    ["a", "10.0"],
    ['b"}', String.raw`"x,}]\\"`],
    ["__proto__", '[ {"c": "]"}, [1e-06] ]'],
    ["e", "{}"],
    ["f", "null"],
  ]);
  expect(JSON.parse(writeMembers(readMembers(text)))).toEqual(JSON.parse(text));
  expect(readMembers(" {\n} ").size).toBe(0);
  expect(writeMembers(new Map())).toBe("{}");
});

test("a change to an equal value keeps the text, another takes the place of the old one", () => {
  const members = readMembers('{"a": 1.0, "b": [1,\n   2], "c": 3}');
  const changed = changeMembers(members, [
    ["a", 1],
    ["b", [1, 2]],
    ["d", true],
    ["c", undefined],
    ["a2", "x"],
  ]);
  expect([...changed]).toEqual([
    ["a", "1.0"],
    ["b", "[1,\n   2]"],
    ["d", "true"],
    ["a2", '"x"'],
  ]);
});

test("a release re-emitted has its own config.json, byte for byte", () => {
  const dropped = { drafter: false };
  // The demo's configuration says 0 drafter blocks.
  expect(as({ ...fp8, expertDtype: "fp4" }, dropped).trimEnd()).toBe(official.trimEnd());
});

test("FP8 experts, BF16 and NVFP4 change what they must and no other line", () => {
  const linesOf = (text: string): Set<string> =>
    new Set(text.split("\n").map((line) => line.replace(/,$/, "")));
  const changed = (quantization: OutputQuantization) => {
    const before = linesOf(official);
    const after = linesOf(as(quantization));
    return {
      gone: [...before].filter((line) => !after.has(line)).map((line) => line.trim()),
      new: [...after].filter((line) => line !== "" && !before.has(line)).map((line) => line.trim()),
    };
  };
  expect(changed({ ...fp8, expertDtype: "fp8" })).toEqual({
    gone: ['"expert_dtype": "fp4"'],
    new: ['"expert_dtype": "fp8"'],
  });
  expect(changed({ ...fp8, expertDtype: "fp4", moeAlgorithm: "NVFP4" })).toEqual({
    gone: [],
    new: ['"moe_quant_algo": "NVFP4"'],
  });
  expect(changed({ method: "none" }).new).toEqual([]);
  const { quantization_config: _, expert_dtype: __, ...rest } = JSON.parse(official);
  expect(JSON.parse(as({ method: "none" }))).toEqual(rest);
});

test("a source without quantization gets the object of the releases, another method's is replaced", () => {
  const plain = { ...FLASH, quantization_config: undefined, torch_dtype: "float32", dtype: "float32" };
  const modelOpt = { ...FLASH.quantization_config, moe_quant_algo: "NVFP4", ignored_layers: ["x"] };
  const foreign = [
    plain,
    { ...FLASH, quantization_config: { quant_method: "compressed-tensors", format: "pack-quantized" } },
    { ...FLASH, quantization: { bits: 4 }, quantization_config: { bits: 4 } },
    { ...FLASH, quantization_config: modelOpt },
  ];
  for (const config of foreign) {
    const written = JSON.parse(as({ ...fp8, expertDtype: "fp4" }, { source: JSON.stringify(config) }));
    expect(written.quantization_config).toEqual(FLASH.quantization_config);
    expect(written.expert_dtype).toBe("fp4");
    expect(written).not.toHaveProperty("quantization");
  }
  const source = JSON.stringify(plain);
  const bf16 = JSON.parse(as({ method: "none" }, { source }));
  expect(bf16).toMatchObject({ torch_dtype: "bfloat16", dtype: "bfloat16" });
  const partly = JSON.parse(as({ ...fp8, plain: ["layers.0.attn.wq_a"] }, { source }));
  expect(partly.quantization_config.modules_to_not_convert).toEqual(["layers.0.attn.wq_a"]);
});

test("without its drafter a model says so, and keeps compress_ratios and rope_scaling as they are", () => {
  for (const release of [FLASH, PRO, FLASH_0731, PRO_0813]) {
    const source = JSON.stringify(release);
    const written = JSON.parse(as({ ...fp8, expertDtype: "fp4" }, { source, drafter: false }));
    expect(written.num_nextn_predict_layers).toBe(0);
    expect(Object.keys(written).filter((key) => key.startsWith("dspark_"))).toEqual([]);
    expect(written.compress_ratios).toEqual(release.compress_ratios);
    expect(written.rope_scaling).toEqual(release.rope_scaling);
    const kept = JSON.parse(as({ ...fp8, expertDtype: "fp4" }, { source }));
    expect(kept).toEqual({ ...release, expert_dtype: "fp4" });
  }
});

test("MLX reads its object under both names", () => {
  const config = { group_size: 64, bits: 8, mode: "affine" } as const;
  const written = JSON.parse(as({ method: "mlx", config }));
  expect(written).toMatchObject({
    quantization: config,
    quantization_config: config,
    model_type: "deepseek_v4",
  });
  expect(written).not.toHaveProperty("expert_dtype");
  const plain = JSON.parse(as({ method: "mlx", config: undefined }));
  expect(plain).not.toHaveProperty("quantization");
  expect(plain).not.toHaveProperty("quantization_config");
});

test("a configuration made from a geometry reads back as the same geometry, floats written as floats", () => {
  for (const release of [FLASH, PRO, FLASH_0731, PRO_0813, JSON.parse(official)]) {
    const config = parseConfig(release, "release");
    const text = writeMembers(configMembers(config));
    expect(parseConfig(JSON.parse(text), "made")).toEqual(config);
    expect(text).toContain('"swiglu_limit": 10.0,');
    expect(text).toMatch(/"rope_theta": 10000,/);
  }
  const { fp8Block: _, dspark: __, ...bare } = parseConfig(FLASH_0731, "release");
  expect(parseConfig(JSON.parse(writeMembers(configMembers(bare))), "made")).toEqual(bare);
});

test("every key of the embedded release that a geometry decides is made again", () => {
  const made = JSON.parse(writeMembers(configMembers(parseConfig(JSON.parse(official), "release"))));
  const { transformers_version: _, expert_dtype: __, quantization_config, ...rest } = JSON.parse(official);
  expect({ ...made, quantization_config, num_nextn_predict_layers: 0 }).toEqual({
    ...rest,
    quantization_config,
  });
});

test("compressed-tensors patterns are general where numbers alone differ, exact where they would match too much", () => {
  const config = compressedTensorsConfig({
    int4: ["layers.0.ffn.experts.0.w1", "layers.1.ffn.experts.7.w1"],
    int4Group: 32,
    fp8: ["layers.0.attn.wkv", "layers.0.attn.wq_a", "layers.1.attn.wq_a"],
    fp8Block: [128, 128],
    plain: ["embed", "layers.1.attn.wkv"],
    drafter: true,
  }) as {
    config_groups: Record<string, { targets: string[]; weights: Record<string, unknown> }>;
    ignore: string[];
    format: string;
  };
  const { group_0, group_1 } = config.config_groups;
  expect(group_0.targets).toEqual(["re:.*layers\\.\\d+\\.ffn\\.experts\\.\\d+\\.w1$"]);
  expect(group_0.weights).toMatchObject({ num_bits: 4, group_size: 32 });
  expect(group_1.targets).toEqual(["re:.*layers\\.0\\.attn\\.wkv$", "re:.*layers\\.\\d+\\.attn\\.wq_a$"]);
  expect(config.ignore).toEqual(["re:.*embed$", "re:.*layers\\.1\\.attn\\.wkv$", "re:.*mtp\\..*"]);
  const bare = compressedTensorsConfig({
    int4: ["layers.0.ffn.experts.0.w1"],
    int4Group: 128,
    fp8: [],
    fp8Block: [128, 128],
    plain: ["embed"],
    drafter: false,
  });
  expect(bare).toMatchObject({ format: "pack-quantized", ignore: ["re:.*embed$"] });
  expect(bare).not.toHaveProperty("config_groups.group_1");
});
