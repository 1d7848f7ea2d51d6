import { expect, test } from "vitest";
import { checkEngine } from "../../tools/plan/engines/check-engine.ts";
import type { EngineRules } from "../../tools/plan/engines/engine-rules.ts";
import {
  type Attack,
  add,
  attacks,
  config,
  copyOf,
  drop,
  ENGINES,
  expectRefusal,
  modelopt,
  rename,
  reshape,
  retype,
  setAt,
  TINY,
  tiny,
} from "../support/engine-attacks.ts";
import { type Draft, folderDraft, mlxDraft } from "../support/engine-facts.ts";

const E = "layers.1.ffn.experts.2.w1";
const ATTN = "layers.2.attn.wq_a";
const SCALE_OF_ATTN = `${ATTN}.scale`;
/** What spoils a folder of any format. */
const folder = (expert: string): Attack[] => [
  ["a tensor is missing", "layers.3.ffn_norm.weight", drop("layers.3.ffn_norm.weight")],
  ["an expert is missing", expert, drop(expert)],
  ["a strange tensor", "layers.1.attn.q_bias", add("layers.1.attn.q_bias", "f32", 4)],
  [
    "a name of transformers",
    "model.layers.0.mlp.gate.weight",
    rename("layers.0.ffn.gate.weight", "model.layers.0.mlp.gate.weight"),
  ],
  ["a mixing matrix in BF16", "layers.1.hc_attn_fn", retype("layers.1.hc_attn_fn", "bf16")],
  ["a hash table of floats", "layers.0.ffn.gate.tid2eid", retype("layers.0.ffn.gate.tid2eid", "f32")],
  [
    "members of a fused module apart",
    "layers.1.attn.compressor.wgate",
    retype("layers.1.attn.compressor.wgate.weight", "f32"),
  ],
  [
    "a tensor in two shards",
    "norm.weight",
    (draft) => {
      draft.files[1].tensors.push({ name: "norm.weight", dtype: "bf16", shape: [256] });
    },
  ],
  [
    "an index that places a tensor elsewhere",
    "embed.weight",
    (draft) => {
      draft.weightMap.set("embed.weight", draft.files[2].name);
    },
  ],
  [
    "an index of more than there is",
    "layers.9.attn.wq_a.weight",
    (draft) => {
      draft.weightMap.set("layers.9.attn.wq_a.weight", draft.files[0].name);
    },
  ],
  [
    "a gap in the shards",
    "model-00003-of-00006.safetensors",
    (draft) => {
      draft.files.splice(1, 1);
    },
  ],
  [
    "no tokenizer",
    "tokenizer.json",
    (draft) => {
      draft.extraFiles = ["config.json", "tokenizer_config.json"];
    },
  ],
  [
    "ratios renamed",
    "config.json: compress_rates",
    (draft) => {
      draft.config.compress_rates = draft.config.compress_ratios;
    },
  ],
  ["no YaRN", "config.json: rope_scaling", config("rope_scaling", undefined)],
  ["another model's width", "config.json: hiddenSize", config("hidden_size", 512)],
  ["another ratio", "config.json: compressRatios", config("compress_ratios", [0, 4, 128, 128, 0])],
];
/** A gap costs every tensor of a shard, so that list is long by nature. */
const short = (list: Attack[]): Attack[] => list.filter(([what]) => what !== "a gap in the shards");
const both = ["vllm", "sglang"];

attacks("native", both, folderDraft(tiny, TINY, { kind: "native" }), [
  ...short(folder(`${E}.weight`)),
  ["an expert's scale missing", `${E}.scale`, drop(`${E}.scale`)],
  ["an expert's scale in F32", `${E}.scale`, retype(`${E}.scale`, "f32")],
  ["groups of 64", `${E}.scale`, reshape(`${E}.scale`, 256, 4)],
  ["codes one to a byte", `${E}.weight`, reshape(`${E}.weight`, 256, 256)],
  ["one expert in FP8", `${E}.weight`, retype(`${E}.weight`, "F8_E4M3")],
  ["attention in BF16", `${ATTN}.weight`, retype(`${ATTN}.weight`, "bf16")],
  ["attention with F32 scales", SCALE_OF_ATTN, retype(SCALE_OF_ATTN, "f32")],
  ["an FP8 scale of another shape", SCALE_OF_ATTN, reshape(SCALE_OF_ATTN, 1, 2)],
  ["another method", "quantization_config.quant_method", config("quantization_config/quant_method", "gptq")],
  [
    "blocks of 32",
    "quantization_config.weight_block_size",
    config("quantization_config/weight_block_size", [32, 32]),
  ],
  [
    "no quantization_config",
    "quantization_config.quant_method",
    (draft) => {
      draft.config.quantization_config = {
        fmt: "e4m3",
        scale_fmt: "ue8m0",
        activation_scheme: "dynamic",
        weight_block_size: [128, 128],
      };
    },
  ],
  [
    "NVFP4 claimed",
    "quantization_config.moe_quant_algo",
    config("quantization_config/moe_quant_algo", "NVFP4"),
  ],
]);

test("vLLM reads FP4 experts by expert_dtype", () => {
  const good = folderDraft(tiny, TINY, { kind: "native" });
  const attack: Attack = ["", "config.json: expert_dtype", config("expert_dtype", "fp8")];
  expectRefusal(ENGINES.get("vllm") as EngineRules, good, attack);
});

const fp8 = folderDraft(tiny, TINY, { kind: "fp8" });
attacks("FP8", both, fp8, [
  ...short(folder(`${E}.weight`)),
  ["an expert's scale missing", `${E}.scale`, drop(`${E}.scale`)],
  ["an expert's scale in BF16", `${E}.scale`, retype(`${E}.scale`, "bf16")],
  ["blocks of another shape", `${E}.scale`, reshape(`${E}.scale`, 256, 2)],
  ["an expert in FP4", `${E}.weight`, retype(`${E}.weight`, "i8")],
  ["an expert in E5M2", `${E}.weight`, retype(`${E}.weight`, "F8_E5M2")],
  [
    "blocks of 64 stated",
    "quantization_config.weight_block_size",
    config("quantization_config/weight_block_size", [64, 64]),
  ],
  [
    "static activations",
    "quantization_config.activation_scheme",
    config("quantization_config/activation_scheme", "static"),
  ],
  ["fused members apart", "layers.2.attn.wkv", retype("layers.2.attn.wkv.scale", "F8_E8M0")],
]);

test("vLLM wants F32 scales and expert_dtype for FP8 experts; SGLang finds them by their dtype", () => {
  const vllm = ENGINES.get("vllm") as EngineRules;
  expectRefusal(vllm, fp8, ["", `${E}.scale`, retype(`${E}.scale`, "F8_E8M0")]);
  expectRefusal(vllm, fp8, ["", "config.json: expert_dtype", config("expert_dtype", undefined)]);
  const draft = copyOf(fp8);
  config("expert_dtype", undefined)(draft);
  expect(checkEngine(ENGINES.get("sglang") as EngineRules, draft, tiny)).toMatchObject({ loads: "yes" });
});

const LAYERS = "quantization/quantized_layers";
attacks("NVFP4", both, folderDraft(tiny, TINY, { kind: "nvfp4" }), [
  ...short(folder(`${E}.weight`)),
  ["group scales missing", `${E}.weight_scale`, drop(`${E}.weight_scale`)],
  ["no global scale", `${E}.weight_scale_2`, drop(`${E}.weight_scale_2`)],
  ["a global scale of one entry", `${E}.weight_scale_2`, reshape(`${E}.weight_scale_2`, 1)],
  ["no input scale", `${E}.input_scale`, drop(`${E}.input_scale`)],
  ["groups of 32", `${E}.weight_scale`, reshape(`${E}.weight_scale`, 256, 8)],
  ["group scales in E8M0", `${E}.weight_scale`, retype(`${E}.weight_scale`, "F8_E8M0")],
  ["the release's scale left", `${E}.scale`, add(`${E}.scale`, "F8_E8M0", 256, 8)],
  [
    "a drafter's expert in NVFP4",
    "mtp.0.ffn.experts.1.w2.weight",
    retype("mtp.0.ffn.experts.1.w2.weight", "u8"),
  ],
  [
    "no moe_quant_algo",
    "quantization_config.moe_quant_algo",
    config("quantization_config/moe_quant_algo", undefined),
  ],
  [
    "ModelOpt as the method",
    "quantization_config.quant_method",
    config("quantization_config/quant_method", "modelopt"),
  ],
  [
    "another algorithm",
    "hf_quant_config.json: quantization.quant_algo",
    modelopt("quantization/quant_algo", "NVFP4"),
  ],
  [
    "another group size",
    "hf_quant_config.json: quantization.group_size",
    modelopt("quantization/group_size", 32),
  ],
  ["a module not listed", `quantized_layers.${E}`, modelopt(`${LAYERS}/${E}`, undefined)],
  ["a module listed otherwise", `quantized_layers.${E}`, modelopt(`${LAYERS}/${E}`, { quant_algo: "FP8" })],
  [
    "a drafter listed",
    "quantized_layers.mtp.0.ffn.experts.0.w1",
    modelopt(`${LAYERS}/mtp.0.ffn.experts.0.w1`, { quant_algo: "NVFP4", group_size: 16 }),
  ],
  ["experts excluded", "exclude_modules", modelopt("quantization/exclude_modules", ["*.ffn.*"])],
]);

test("SGLang needs hf_quant_config.json, and both engines the key that makes experts NVFP4", () => {
  const good = folderDraft(tiny, TINY, { kind: "nvfp4" });
  const [vllm, sglang] = both.map((name) => ENGINES.get(name) as EngineRules);
  const { hfQuantConfig: _, ...bare } = good;
  expect(checkEngine(vllm, bare, tiny)).toMatchObject({ loads: "yes", problems: [] });
  const { loads, problems } = checkEngine(sglang, bare, tiny);
  expect(loads).toBe("no");
  expect(problems.every(({ where }) => where === "hf_quant_config.json")).toBe(true);
  expectRefusal(vllm, good, ["", "config.json: expert_dtype", config("expert_dtype", "fp8")]);
  const draft = copyOf(good);
  config("quantization_config/quant_algo", undefined)(draft);
  expect(checkEngine(sglang, draft, tiny)).toMatchObject({ loads: "unknown", problems: [] });
});

test("a list of whole expert modules covers every expert in them", () => {
  const draft = copyOf(folderDraft(tiny, TINY, { kind: "nvfp4" }));
  const modules = Object.fromEntries(
    [0, 1, 2, 3].map((layer) => [`layers.${layer}.ffn.experts`, { quant_algo: "NVFP4", group_size: 16 }]),
  );
  modelopt("quantization/quantized_layers", modules)(draft);
  for (const name of both)
    expect(checkEngine(ENGINES.get(name) as EngineRules, draft, tiny)).toMatchObject({
      loads: "yes",
      problems: [],
    });
});

const GROUP = "quantization_config/config_groups/group_0";
attacks("compressed-tensors", both, folderDraft(tiny, TINY, { kind: "compressed-tensors" }), [
  ...short(folder(`${E}.weight_packed`)),
  ["scales missing", `${E}.weight_scale`, drop(`${E}.weight_scale`)],
  ["scales in F32", `${E}.weight_scale`, retype(`${E}.weight_scale`, "f32")],
  ["no shape", `${E}.weight_shape`, drop(`${E}.weight_shape`)],
  ["a shape of three", `${E}.weight_shape`, reshape(`${E}.weight_shape`, 3)],
  ["codes in bytes", `${E}.weight_packed`, retype(`${E}.weight_packed`, "u8")],
  ["words of another width", `${E}.weight_packed`, reshape(`${E}.weight_packed`, 256, 64)],
  [
    "zero points beside symmetric codes",
    `${E}.weight_zero_point`,
    add(`${E}.weight_zero_point`, "i32", 32, 2),
  ],
  ["another method", "quantization_config.quant_method", config("quantization_config/quant_method", "fp8")],
  ["another format", "quantization_config.format", config("quantization_config/format", "float-quantized")],
  ["another group size", "group_0.weights.group_size", config(`${GROUP}/weights/group_size`, 32)],
  ["8 bits stated", "group_0.weights.num_bits", config(`${GROUP}/weights/num_bits`, 8)],
  ["asymmetric stated", "group_0.weights.symmetric", config(`${GROUP}/weights/symmetric`, false)],
  [
    "experts no target",
    "config_groups for layers.0.ffn.experts.0.w1",
    config(`${GROUP}/targets`, ["re:.*self_attn.*"]),
  ],
  [
    "experts ignored",
    "config_groups for layers.0.ffn.experts.0.w1",
    config("quantization_config/ignore", ["re:.*ffn.*"]),
  ],
  [
    "FP8 attention in no group",
    "config_groups for layers.0.attn.wq_a",
    config("quantization_config/config_groups/group_1", undefined),
  ],
  [
    "an unquantized module a target",
    "for layers.0.ffn.gate",
    (draft) => {
      config(`${GROUP}/targets`, ["re:.*ffn.*"])(draft);
      config("quantization_config/ignore", ["re:.*compressor.*", "re:.*weights_proj$", "head"])(draft);
    },
  ],
  ["no ignore list", "quantization_config.ignore", config("quantization_config/ignore", undefined)],
]);

attacks("BF16", both, folderDraft(tiny, TINY, { kind: "bf16" }), [
  ...short(folder(`${E}.weight`)),
  ["an expert of integers", `${E}.weight`, retype(`${E}.weight`, "i32")],
  ["an expert transposed", `${E}.weight`, reshape(`${E}.weight`, 128, 512)],
  ["one expert in FP8", `${E}.weight`, retype(`${E}.weight`, "F8_E4M3")],
  ["attention still in FP8", `${ATTN}.weight`, retype(`${ATTN}.weight`, "F8_E4M3")],
  ["a scale left over", SCALE_OF_ATTN, add(SCALE_OF_ATTN, "F8_E8M0", 2, 2)],
  [
    "scales promised",
    "config.json: quantization_config",
    config("quantization_config", { quant_method: "fp8" }),
  ],
  ["FP4 promised", "config.json: expert_dtype", config("expert_dtype", "fp4")],
]);

const M = "model.layers.1.ffn.switch_mlp.gate_proj";
const Q = "model.layers.2.attn.wq_a";
/** Sets one thing in both spellings of MLX's quantization. */
const mlx =
  (name: string, value: unknown) =>
  (draft: Draft): void => {
    for (const spelling of ["quantization", "quantization_config"])
      setAt(draft.config, [spelling, name], value);
  };
attacks("MLX", ["mlx"], mlxDraft(tiny, TINY), [
  ["a tensor is missing", "model.layers.3.ffn_norm.weight", drop("model.layers.3.ffn_norm.weight")],
  [
    "the release's name",
    "layers.0.attn_norm.weight",
    rename("model.layers.0.attn_norm.weight", "layers.0.attn_norm.weight"),
  ],
  ["a drafter", "mtp.0.norm.weight", add("mtp.0.norm.weight", "bf16", 256)],
  ["experts not stacked", `${M}.weight`, reshape(`${M}.weight`, 256, 32)],
  ["expert scales missing", `${M}.scales`, drop(`${M}.scales`)],
  ["expert groups of 64", `${M}.scales`, reshape(`${M}.scales`, 8, 256, 4)],
  ["biases beside MXFP4", `${M}.biases`, add(`${M}.biases`, "bf16", 8, 256, 8)],
  ["dense biases missing", `${Q}.biases`, drop(`${Q}.biases`)],
  ["words of another width", "config.json: quantization.bits", reshape(`${Q}.weight`, 256, 32)],
  ["a sink in BF16", "model.layers.1.attn.attn_sink", retype("model.layers.1.attn.attn_sink", "bf16")],
  [
    "a router bias in BF16",
    "model.layers.1.ffn.gate.e_score_correction_bias",
    retype("model.layers.1.ffn.gate.e_score_correction_bias", "bf16"),
  ],
  ["a mixing matrix in BF16", "model.layers.1.attn_hc.fn", retype("model.layers.1.attn_hc.fn", "bf16")],
  ["a quantized router", "model.layers.1.ffn.gate.weight", retype("model.layers.1.ffn.gate.weight", "u32")],
  ["no quantization", "config.json: quantization", config("quantization", undefined)],
  ["one spelling only", "config.json: quantization_config", config("quantization_config", undefined)],
  ["a module without its entry", "config.json: quantization", mlx(M, undefined)],
  ["a module of another mode", `quantization.${M}.mode`, mlx(M, { group_size: 32, bits: 4 })],
  [
    "a module of another group",
    `quantization.${M}.group_size`,
    mlx(M, { group_size: 64, bits: 4, mode: "mxfp4" }),
  ],
  ["another default", "config.json: quantization.group_size", mlx("group_size", 32)],
  [
    "an entry of an unquantized module",
    "quantization.model.layers.1.ffn.gate",
    mlx("model.layers.1.ffn.gate", { group_size: 64, bits: 8 }),
  ],
  ["a quantized module denied", `quantization.${Q}`, mlx(Q, false)],
  ["ratios renamed", "config.json: compress_rates", config("compress_rates", [0])],
  [
    "no tokenizer",
    "tokenizer.json",
    (draft) => {
      draft.extraFiles = ["config.json", "tokenizer_config.json"];
    },
  ],
]);

test("a shard that is missing is named, and its tensors are counted, not listed", () => {
  const draft = copyOf(folderDraft(tiny, TINY, { kind: "native" }));
  draft.files.splice(1, 1);
  const { loads, problems } = checkEngine(ENGINES.get("vllm") as EngineRules, draft, tiny);
  expect(loads).toBe("no");
  expect(problems.map(({ where }) => where)).toContain("model-00003-of-00006.safetensors");
  expect(problems.find(({ found }) => found === "in no shard")?.count).toBeGreaterThan(50);
  expect(problems.length).toBeLessThan(20);
});

test("a folder without experts, and patterns that would never end, get an answer", () => {
  const draft = copyOf(folderDraft(tiny, TINY, { kind: "compressed-tensors" }));
  config("quantization_config/ignore", ["re:(.*.*)*.*.*.*x", "re:(", "re:.*hc_.*"])(draft);
  const verdict = checkEngine(ENGINES.get("sglang") as EngineRules, draft, tiny);
  expect(verdict.notes.filter((note) => note.includes("cannot be tried"))).toHaveLength(2);
  const empty = { container: "safetensors", files: [], config: TINY, extraFiles: [] } as const;
  for (const engine of ENGINES.values()) expect(checkEngine(engine, empty, tiny).loads).toBe("no");
});

test("target patterns must not depend on a prefix that an engine puts before names", () => {
  const draft = copyOf(folderDraft(tiny, TINY, { kind: "compressed-tensors" }));
  config(`${GROUP}/targets`, ["re:layers\\.\\d+\\.ffn\\.experts\\..*", "re:mtp.*ffn\\.experts.*"])(draft);
  const { loads, problems } = checkEngine(ENGINES.get("sglang") as EngineRules, draft, tiny);
  expect(problems).toEqual([]);
  expect(loads).toBe("unknown");
});
