import { strs, u32 } from "../../tools/formats/gguf/values.ts";
import { add, attacks, drop, flash, holder, key, retype, tiny } from "../support/engine-attacks.ts";
import { ggufDraft, splitDraft } from "../support/engine-facts.ts";
import { LLAMA_ATTACKS, LLAMA_SILENT_ATTACKS, SPLIT_ATTACKS } from "../support/engine-gguf-attacks.ts";

const A = "deepseek4.";
attacks("a GGUF", ["llama.cpp"], ggufDraft(tiny, "llama.cpp"), [...LLAMA_ATTACKS, ...LLAMA_SILENT_ATTACKS]);
attacks("a split GGUF", ["llama.cpp"], splitDraft(ggufDraft(tiny, "llama.cpp"), 3), SPLIT_ATTACKS);

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
