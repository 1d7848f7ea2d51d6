import { describe, expect, test } from "vitest";
import { generateConfig, TINY_DIMS } from "../../tools/demo/generate-config.ts";
import type { Dtype } from "../../tools/formats/dtypes.ts";
import { type GgufValue, i32s, str, strs, u32 } from "../../tools/formats/gguf/values.ts";
import { parseConfig } from "../../tools/model/config.ts";
import { checkEngine } from "../../tools/plan/engines/check-engine.ts";
import { type EngineRules, shippedEngines } from "../../tools/plan/engines/engine-rules.ts";
import { formatProblem } from "../../tools/plan/engines/verdict.ts";
import { FLASH } from "../fixtures/release-configs.ts";
import {
  type Draft,
  type DraftFile,
  folderDraft,
  ggufDraft,
  mlxDraft,
  splitDraft,
} from "../support/engine-facts.ts";

/** One deliberate error: what is done to good facts, and the place that the verdict must name. */
type Attack = readonly [what: string, where: string, spoil: (draft: Draft) => void];

const ENGINES = new Map(shippedEngines().map((engine) => [engine.engine, engine]));
const TINY = generateConfig(TINY_DIMS, "fp4");
const tiny = parseConfig(TINY, "config.json");
const flash = parseConfig(FLASH, "config.json");

/** A copy whose lists and maps may be changed; tensors and values are replaced, never changed. */
const copyOf = (draft: Draft): Draft => ({
  ...draft,
  files: draft.files.map((file) => ({
    ...file,
    metadata: new Map(file.metadata),
    tensors: [...file.tensors],
  })),
  config: structuredClone(draft.config),
  hfQuantConfig: structuredClone(draft.hfQuantConfig),
  weightMap: new Map(draft.weightMap),
  extraFiles: [...draft.extraFiles],
});

function holder(draft: Draft, name: string, kind?: "mtp"): { readonly file: DraftFile; readonly at: number } {
  for (const file of draft.files) {
    const at = file.tensors.findIndex((tensor) => tensor.name === name);
    if (at >= 0 && (kind === undefined || file.kind === kind)) return { file, at };
  }
  throw new Error(`no tensor ${name}`);
}

const change =
  (name: string, to: { dtype?: Dtype; shape?: readonly number[]; name?: string }, kind?: "mtp") =>
  (draft: Draft) => {
    const { file, at } = holder(draft, name, kind);
    file.tensors[at] = { ...file.tensors[at], ...to };
    if (to.name !== undefined && draft.weightMap.delete(name)) draft.weightMap.set(to.name, file.name);
  };
const retype = (name: string, dtype: Dtype, kind?: "mtp") => change(name, { dtype }, kind);
const reshape = (name: string, ...shape: number[]) => change(name, { shape });
const rename = (name: string, to: string) => change(name, { name: to });
const drop =
  (name: string, kind?: "mtp") =>
  (draft: Draft): void => {
    const { file, at } = holder(draft, name, kind);
    file.tensors.splice(at, 1);
    draft.weightMap.delete(name);
  };
const add =
  (name: string, dtype: Dtype = "f32", ...shape: number[]) =>
  (draft: Draft): void => {
    const file = draft.files[0];
    file.tensors.push({ name, dtype, shape });
    draft.weightMap.set(name, file.name);
  };
const key =
  (name: string, value: GgufValue | undefined, file = 0) =>
  (draft: Draft): void => {
    const { metadata } = draft.files[file];
    if (value === undefined) metadata.delete(name);
    else metadata.set(name, value);
  };
/** Sets a dotted path of a JSON object, or takes it out. */
const setAt = (root: Record<string, unknown>, path: readonly string[], value: unknown): void => {
  const at = path.slice(0, -1).reduce((inner, one) => inner[one] as Record<string, unknown>, root);
  const last = path.at(-1) as string;
  if (value === undefined) delete at[last];
  else at[last] = value;
};
const config =
  (path: string, value: unknown) =>
  (draft: Draft): void =>
    setAt(draft.config, path.split("/"), value);
const modelopt =
  (path: string, value: unknown) =>
  (draft: Draft): void =>
    setAt(draft.hfQuantConfig, path.split("/"), value);

/** The engine refuses the spoilt facts, names the place, and says little else. */
function expectRefusal(engine: EngineRules, good: Draft, [, where, spoil]: Attack): void {
  const model = engine.engine === "ds4" ? flash : tiny;
  const draft = copyOf(good);
  spoil(draft);
  const { loads, drafter, problems } = checkEngine(engine, draft, model);
  expect(problems.map((problem) => problem.where).join("\n")).toContain(where);
  // A drafter's own file may be refused and the model loads nevertheless.
  const beside = where.startsWith("mtp-x.gguf");
  expect([loads, drafter ?? "yes"]).toEqual(beside ? ["yes", "no"] : ["no", "yes"]);
  expect(problems.length).toBeLessThanOrEqual(5);
  for (const problem of problems) {
    expect(formatProblem(problem)).not.toMatch(/[\n]|undefined|\[object/);
    expect(formatProblem(problem).length).toBeLessThan(400);
  }
}

function attacks(title: string, engines: readonly string[], good: Draft, list: readonly Attack[]): void {
  describe.each(engines)(`${title} for %s`, (name) => {
    const engine = ENGINES.get(name) as EngineRules;
    test("is taken unspoilt", () => {
      const model = name === "ds4" ? flash : tiny;
      expect(checkEngine(engine, good, model).problems).toEqual([]);
    });
    test.each(list)("%s: %s", (...attack) => expectRefusal(engine, good, attack));
  });
}

const A = "deepseek4.";
attacks("a GGUF", ["llama.cpp"], ggufDraft(tiny, "llama.cpp"), [
  ["a tensor is missing", "blk.1.attn_q_a.weight", drop("blk.1.attn_q_a.weight")],
  ["a router bias on a hash layer", "blk.0.exp_probs_b.bias", add("blk.0.exp_probs_b.bias", "f32", 8)],
  ["ds4's drafter inside", "mtp.0.e_proj.weight", add("mtp.0.e_proj.weight", "q8_0", 256, 256)],
  [
    "a name of an old fork",
    "blk.1.attn_kv_norm.weight",
    rename("blk.1.attn_kv_a_norm.weight", "blk.1.attn_kv_norm.weight"),
  ],
  ["a norm in BF16", "blk.2.attn_norm.weight", retype("blk.2.attn_norm.weight", "bf16")],
  ["the hash table in I64", "blk.0.ffn_gate_tid2eid.weight", retype("blk.0.ffn_gate_tid2eid.weight", "i64")],
  ["a quantized router", "blk.3.ffn_gate_inp.weight", retype("blk.3.ffn_gate_inp.weight", "q8_0")],
  [
    "a quantized position table",
    "blk.1.attn_compressor_ape.weight",
    retype("blk.1.attn_compressor_ape.weight", "q4_K"),
  ],
  ["an integer matrix", "blk.1.attn_q_b.weight", retype("blk.1.attn_q_b.weight", "i8")],
  ["a transposed matrix", "token_embd.weight", reshape("token_embd.weight", 256, 512)],
  ["an expert too few", "blk.2.ffn_up_exps.weight", reshape("blk.2.ffn_up_exps.weight", 7, 256, 256)],
  ["rows of no whole blocks", "blk.2.ffn_up_exps.weight", reshape("blk.2.ffn_up_exps.weight", 8, 256, 250)],
  ["a tensor twice", "output_norm.weight", add("output_norm.weight", "f32", 256)],
  ["a name of 64 bytes", `blk.0.${"x".repeat(58)}`, add(`blk.0.${"x".repeat(58)}`, "f32", 1)],
  ["another architecture", "general.architecture", key("general.architecture", str("deepseek2"))],
  ["no gating function", `${A}expert_gating_func`, key(`${A}expert_gating_func`, undefined)],
  ["another gating function", `${A}expert_gating_func`, key(`${A}expert_gating_func`, u32(2))],
  ["a count in 64 bits", `${A}block_count`, key(`${A}block_count`, { type: "u64", value: 4n })],
  [
    "a clamp too many",
    `${A}swiglu_clamp_exp`,
    key(`${A}swiglu_clamp_exp`, { type: "array", of: "f32", value: [10, 10, 10, 10, 10] }),
  ],
  [
    "a ratio too few",
    `${A}attention.compress_ratios`,
    key(`${A}attention.compress_ratios`, i32s([0, 4, 128])),
  ],
  [
    "a wrong ratio",
    `${A}attention.compress_ratios`,
    key(`${A}attention.compress_ratios`, i32s([0, 4, 4, 4, 0])),
  ],
  ["no YaRN factor", `${A}rope.scaling.factor`, key(`${A}rope.scaling.factor`, undefined)],
  ["another rope base", `${A}rope.freq_base`, key(`${A}rope.freq_base`, { type: "f32", value: 50_000 })],
  ["an alignment that is no power of two", "general.alignment", key("general.alignment", u32(48))],
  ["a vocabulary cut short", "tokenizer.ggml.tokens", key("tokenizer.ggml.tokens", strs(["a"]))],
  ["another pre-tokenizer", "tokenizer.ggml.pre", key("tokenizer.ggml.pre", str("default"))],
  [
    "BOS twice",
    "tokenizer.ggml.add_bos_token",
    key("tokenizer.ggml.add_bos_token", { type: "bool", value: true }),
  ],
  [
    "a sidecar without its projection",
    "mtp-x.gguf: blk.4.nextn.eh_proj.weight",
    drop("blk.4.nextn.eh_proj.weight", "mtp"),
  ],
  [
    "a sidecar of projections not joined",
    "mtp-x.gguf: blk.4.nextn.eh_proj.weight",
    reshape("blk.4.nextn.eh_proj.weight", 256, 256),
  ],
  ["a sidecar without an embedding", "mtp-x.gguf: token_embd.weight", drop("token_embd.weight", "mtp")],
  [
    "a sidecar that names no drafter",
    `mtp-x.gguf: ${A}nextn_predict_layers`,
    key(`${A}nextn_predict_layers`, undefined, 1),
  ],
  ["a sidecar with the trunk's count", `mtp-x.gguf: ${A}block_count`, key(`${A}block_count`, u32(4), 1)],
]);

attacks("a split GGUF", ["llama.cpp"], splitDraft(ggufDraft(tiny, "llama.cpp"), 3), [
  ["its number in 32 bits", "x-00002-of-00003.gguf: split.no", key("split.no", u32(1), 1)],
  ["a number twice", "x-00003-of-00003.gguf: split.no", key("split.no", { type: "u16", value: 1 }, 2)],
  ["another count", "x-00001-of-00003.gguf: split.count", key("split.count", { type: "u16", value: 2 }, 0)],
  [
    "no sum of tensors",
    "x-00002-of-00003.gguf: split.tensors.count",
    key("split.tensors.count", undefined, 1),
  ],
  [
    "another prefix",
    "y-00002-of-00003.gguf",
    (draft) => {
      draft.files[1] = { ...draft.files[1], name: "y-00002-of-00003.gguf" };
    },
  ],
  [
    "a tensor in two files",
    "token_embd.weight",
    (draft) => {
      draft.files[2].tensors[0] = draft.files[0].tensors[0];
    },
  ],
]);

attacks("a GGUF", ["ds4"], ggufDraft(flash, "ds4"), [
  ["mixing matrices in F32", "blk.7.hc_attn_fn.weight", retype("blk.7.hc_attn_fn.weight", "f32")],
  ["the embedding in BF16", "token_embd.weight", retype("token_embd.weight", "bf16")],
  ["the head in Q6_K", "output.weight", retype("output.weight", "q6_K")],
  ["a router in BF16", "blk.9.ffn_gate_inp.weight", retype("blk.9.ffn_gate_inp.weight", "bf16")],
  ["the indexer in Q8_0", "blk.4.indexer.attn_q_b.weight", retype("blk.4.indexer.attn_q_b.weight", "q8_0")],
  [
    "a position table in F32",
    "blk.3.attn_compressor_ape.weight",
    retype("blk.3.attn_compressor_ape.weight", "f32"),
  ],
  [
    "a compressor in BF16",
    "blk.3.attn_compressor_kv.weight",
    retype("blk.3.attn_compressor_kv.weight", "bf16"),
  ],
  ["attention in BF16", "blk.5.attn_output_b.weight", retype("blk.5.attn_output_b.weight", "bf16")],
  ["MXFP4 experts", "blk.8.ffn_down_exps.weight", retype("blk.8.ffn_down_exps.weight", "mxfp4")],
  ["gate and up of two types", "blk.8.ffn_up_exps.weight", retype("blk.8.ffn_up_exps.weight", "q4_K")],
  [
    "a tensor is missing",
    "blk.42.indexer_compressor_gate.weight",
    drop("blk.42.indexer_compressor_gate.weight"),
  ],
  ["a drafter inside", "blk.43.nextn.enorm.weight", add("blk.43.nextn.enorm.weight", "f32", 4096)],
  ["no vocabulary size", `${A}vocab_size`, key(`${A}vocab_size`, undefined)],
  ["a count as i32", `${A}expert_count`, key(`${A}expert_count`, { type: "i32", value: 256 })],
  ["a scalar clamp", `${A}swiglu_clamp_exp`, key(`${A}swiglu_clamp_exp`, { type: "f32", value: 10 })],
  ["no YaRN beta", `${A}rope.scaling.yarn_beta_fast`, key(`${A}rope.scaling.yarn_beta_fast`, undefined)],
  ["expert groups", `${A}expert_group_count`, key(`${A}expert_group_count`, u32(8))],
  [
    "tokens without the chat's marks",
    "tokenizer.ggml.tokens",
    key("tokenizer.ggml.tokens", strs(Array.from({ length: 129280 }, (_, i) => `t${i}`))),
  ],
  ["a split set", "x-00001-of-00002.gguf", (draft) => Object.assign(draft, splitDraft(draft, 2))],
  [
    "a drafter of upstream's names",
    "mtp-x.gguf: mtp.0.e_proj.weight",
    (draft) => {
      const { file, at } = holder(draft, "mtp.0.e_proj.weight");
      file.tensors[at] = { ...file.tensors[at], name: "blk.43.nextn.eh_proj.weight" };
    },
  ],
  [
    "drafter experts in Q2_K",
    "mtp-x.gguf: mtp.0.ffn_gate_exps.weight",
    retype("mtp.0.ffn_gate_exps.weight", "q2_K"),
  ],
]);

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
