import { i32s, str, strs, u32 } from "../../tools/formats/gguf/values.ts";
import { type Attack, add, drop, key, rename, reshape, retype } from "./engine-attacks.ts";

const A = "deepseek4.";

/** What spoils a GGUF of the tiny model for llama.cpp. */
export const LLAMA_ATTACKS: readonly Attack[] = [
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
  ["an alignment that is no power of two", "general.alignment", key("general.alignment", u32(48))],
  ["a vocabulary cut short", "tokenizer.ggml.tokens", key("tokenizer.ggml.tokens", strs(["a"]))],
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
];

/** What llama.cpp does not notice: the model loads and computes, or is told, something else. */
export const LLAMA_SILENT_ATTACKS: readonly Attack[] = [
  ["no YaRN factor", `${A}rope.scaling.factor`, key(`${A}rope.scaling.factor`, undefined)],
  ["another rope base", `${A}rope.freq_base`, key(`${A}rope.freq_base`, { type: "f32", value: 50_000 })],
  ["another pre-tokenizer", "tokenizer.ggml.pre", key("tokenizer.ggml.pre", str("default"))],
  [
    "BOS twice",
    "tokenizer.ggml.add_bos_token",
    key("tokenizer.ggml.add_bos_token", { type: "bool", value: true }),
  ],
];

/** What spoils a split one. */
export const SPLIT_ATTACKS: readonly Attack[] = [
  ["its number in 32 bits", "x-00002-of-00003.gguf: split.no", key("split.no", u32(1), 1)],
  ["a number twice", "x-00003-of-00003.gguf: split.no", key("split.no", { type: "u16", value: 1 }, 2)],
  ["another count", "x-00001-of-00003.gguf: split.count", key("split.count", { type: "u16", value: 2 }, 0)],
  [
    "no sum of tensors",
    "x-00001-of-00003.gguf: split.tensors.count",
    key("split.tensors.count", undefined, 0),
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
];
