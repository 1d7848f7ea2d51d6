import type { Dtype } from "../../tools/formats/dtypes.ts";
import { bool, type GgufValue, i32s, str, strs, u32 } from "../../tools/formats/gguf/values.ts";
import type { ArtefactFacts, FactTensor } from "../../tools/model/artefact-facts.ts";
import type { ModelConfig } from "../../tools/model/config.ts";
import { architectureMetadata } from "../../tools/model/gguf-config.ts";
import { type Drafter, inventory, type TensorSpec } from "../../tools/model/inventory.ts";

/** Facts that a test may spoil. */
export interface Draft extends ArtefactFacts {
  files: DraftFile[];
  config: Record<string, unknown>;
  hfQuantConfig: Record<string, unknown>;
  weightMap: Map<string, string>;
  extraFiles: string[];
}

export interface DraftFile {
  name: string;
  kind: "model" | "mtp";
  metadata: Map<string, GgufValue>;
  tensors: FactTensor[];
}

export type GgufKind = "llama.cpp" | "ds4";

/** Stored types by role, as upstream's converter and as ds4 wants them. */
function ggufDtype({ role, part }: TensorSpec, kind: GgufKind): Dtype {
  const matrix = part === "hc_attn_fn" || part === "hc_ffn_fn" || part === "hc_head_fn";
  switch (role) {
    case "tid2eid":
      return "i32";
    case "expert":
      return kind === "llama.cpp" ? "mxfp4" : part === "w2" ? "q2_K" : "iq2_xxs";
    case "attention":
    case "shared_expert":
    case "mtp":
      return "q8_0";
    case "head":
      return kind === "ds4" ? "q8_0" : "bf16";
    case "mhc":
      return kind === "ds4" && matrix ? "f16" : "f32";
    case "ape":
      return kind === "ds4" ? "f16" : "f32";
    case "indexer":
      return kind === "ds4" ? "f16" : part === "wq_b" ? "q8_0" : "bf16";
    case "embed":
    case "router":
    case "compressor":
      return kind === "ds4" ? "f16" : "bf16";
    default:
      return "f32";
  }
}

const MARKERS = [
  "<｜begin▁of▁sentence｜>",
  "<｜end▁of▁sentence｜>",
  "<｜User｜>",
  "<｜Assistant｜>",
  "<think>",
  "</think>",
  "｜DSML｜",
];

function ggufKeys(config: ModelConfig, drafterBlocks: 0 | 1): Map<string, GgufValue> {
  const tokens = Array.from({ length: config.vocabSize }, (_, id) => MARKERS[id] ?? `t${id}`);
  return new Map<string, GgufValue>([
    ["general.architecture", str("deepseek4")],
    ["general.alignment", u32(32)],
    ...architectureMetadata(config, { drafterBlocks }),
    ["tokenizer.ggml.model", str("gpt2")],
    ["tokenizer.ggml.pre", str("joyai-llm")],
    ["tokenizer.ggml.tokens", strs(tokens)],
    ["tokenizer.ggml.token_type", i32s(tokens.map(() => 1))],
    ["tokenizer.ggml.merges", strs(["a b"])],
    ["tokenizer.ggml.bos_token_id", u32(config.bosId)],
    ["tokenizer.ggml.eos_token_id", u32(config.eosId)],
    ["tokenizer.ggml.add_bos_token", bool(false)],
  ]);
}

/** Stacks experts and joins e_proj and h_proj, as the format table of the releases' GGUFs has them. */
function ggufTensors(
  specs: readonly TensorSpec[],
  {
    config,
    dtype,
    nameOf,
  }: {
    readonly config: ModelConfig;
    readonly dtype: (spec: TensorSpec) => Dtype;
    readonly nameOf: (spec: TensorSpec) => string;
  },
): FactTensor[] {
  return specs
    .filter((spec) => (spec.expert ?? 0) === 0)
    .filter((spec) => !(spec.part === "h_proj" && nameOf(spec).includes("nextn")))
    .map((spec) => {
      const name = nameOf(spec);
      const [out, in_] = spec.shape;
      const shape =
        spec.expert === undefined
          ? name.includes("nextn.eh_proj")
            ? [out, 2 * in_]
            : spec.shape
          : [config.expertCount, ...spec.shape];
      return { name, dtype: dtype(spec), shape };
    });
}

/** A GGUF with its sidecar, in upstream's types or in ds4's. */
export function ggufDraft(config: ModelConfig, kind: GgufKind): Draft {
  const specs = [...inventory(config, "mtp")];
  const trunk = specs.filter(({ block }) => block.kind !== "mtp");
  const drafter = specs.filter(({ block }) => block.kind === "mtp");
  const shared = trunk.filter(({ name }) => ["embed.weight", "norm.weight", "head.weight"].includes(name));
  const dtype = (spec: TensorSpec): Dtype =>
    kind === "ds4" && spec.role === "expert" && spec.block.kind === "mtp" ? "q4_K" : ggufDtype(spec, kind);
  const blocks = (spec: TensorSpec): string => spec.gguf as string;
  const ds4 = ({ name, gguf }: TensorSpec): string =>
    /^mtp\.0\.(hc_head_|[eh]_proj|enorm|hnorm|norm)/.test(name)
      ? name.replace(/(\.weight)?$/, ".weight")
      : (gguf as string).replace(/^blk\.\d+/, "mtp.0");
  const none = { config: {}, hfQuantConfig: {}, weightMap: new Map(), extraFiles: [] };
  return {
    container: "gguf",
    ...none,
    files: [
      {
        name: "x.gguf",
        kind: "model",
        metadata: ggufKeys(config, 0),
        tensors: ggufTensors(trunk, { config, dtype, nameOf: blocks }),
      },
      {
        name: "mtp-x.gguf",
        kind: "mtp",
        metadata: ggufKeys(config, 1),
        tensors: ggufTensors(kind === "ds4" ? drafter : [...shared, ...drafter], {
          config,
          dtype,
          nameOf: kind === "ds4" ? ds4 : blocks,
        }),
      },
    ],
  };
}

/** The first file's tensors over `count` files, with the keys of a split set. */
export function splitDraft(draft: Draft, count: number): Draft {
  const [model, ...rest] = draft.files;
  const each = Math.ceil(model.tensors.length / count);
  const number = (n: number): string => String(n).padStart(5, "0");
  const files = Array.from(
    { length: count },
    (_, i): DraftFile => ({
      name: `x-${number(i + 1)}-of-${number(count)}.gguf`,
      kind: "model",
      metadata: new Map<string, GgufValue>([
        ...(i === 0 ? model.metadata : []),
        ["split.no", { type: "u16", value: i }],
        ["split.count", { type: "u16", value: count }],
        ["split.tensors.count", { type: "i32", value: model.tensors.length }],
      ]),
      tensors: model.tensors.slice(i * each, (i + 1) * each),
    }),
  );
  return { ...draft, files: [...files, ...rest] };
}

export type FolderKind = "native" | "fp8" | "nvfp4" | "compressed-tensors" | "bf16" | "mlx";

const FP8_CONFIG = {
  quant_method: "fp8",
  fmt: "e4m3",
  scale_fmt: "ue8m0",
  activation_scheme: "dynamic",
  weight_block_size: [128, 128],
};

/** A folder of official names: every matrix stored as the format's releases do. `raw` is the source's config.json. */
export function folderDraft(
  config: ModelConfig,
  raw: object,
  { kind, drafter = "mtp" }: { readonly kind: Exclude<FolderKind, "mlx">; readonly drafter?: Drafter },
): Draft {
  const blocks = new Map<string, FactTensor[]>();
  const quantized: string[] = [];
  for (const spec of inventory(config, drafter)) {
    const key = spec.block.kind === "root" ? "root" : `${spec.block.kind}.${spec.block.index}`;
    const tensors = blocks.get(key) ?? [];
    blocks.set(key, tensors);
    const codes = encodingOf(spec, kind);
    if (codes === "nvfp4") quantized.push(stem(spec));
    tensors.push(...encoded(spec, codes));
  }
  return finish(
    [...blocks.values()],
    {
      ...raw,
      ...(kind === "fp8" && { expert_dtype: "fp8" }),
      ...(kind !== "fp8" && { expert_dtype: undefined }),
      quantization_config: {
        bf16: undefined,
        native: FP8_CONFIG,
        fp8: FP8_CONFIG,
        nvfp4: { ...FP8_CONFIG, quant_algo: "MIXED_PRECISION", moe_quant_algo: "NVFP4" },
        "compressed-tensors": GROUPS,
      }[kind],
    },
    kind === "nvfp4" ? modelopt(quantized) : {},
  );
}

const GROUPS = {
  quant_method: "compressed-tensors",
  format: "pack-quantized",
  quantization_status: "compressed",
  config_groups: {
    group_0: {
      targets: ["re:.*ffn\\.experts\\.\\d+\\.w[123]$"],
      weights: { num_bits: 4, type: "int", symmetric: true, strategy: "group", group_size: 128 },
    },
    group_1: {
      targets: [
        "re:.*attn\\.w.*",
        "re:.*indexer\\.wq_b$",
        "re:.*shared_experts\\.w[123]$",
        "re:.*[eh]_proj$",
      ],
      weights: { num_bits: 8, type: "float", strategy: "block", block_structure: [128, 128] },
    },
  },
  ignore: [
    "embed",
    "head",
    "re:.*compressor.*",
    "re:.*weights_proj$",
    "re:.*ffn\\.gate$",
    "re:.*hc_.*",
    "re:.*norm.*",
  ],
};

const modelopt = (layers: readonly string[]) => ({
  producer: { name: "modelopt", version: "0.0.0" },
  quantization: {
    quant_algo: "MIXED_PRECISION",
    kv_cache_quant_algo: null,
    group_size: 16,
    quantized_layers: Object.fromEntries(
      layers.map((name) => [name, { quant_algo: "NVFP4", group_size: 16 }]),
    ),
    exclude_modules: [
      "*.attn.*",
      "*.ffn.shared_experts.*",
      "*.ffn.gate.*",
      "embed.weight",
      "head.weight",
      "mtp.*.norm.*",
    ],
  },
});

const stem = ({ name }: TensorSpec): string => name.replace(/\.weight$/, "");

type Codes = "plain" | "fp4" | "fp8" | "fp8_f32" | "fp8_ct" | "nvfp4" | "int4";

function encodingOf({ role, part, block, storage }: TensorSpec, kind: Exclude<FolderKind, "mlx">): Codes {
  if (storage !== "matrix" && storage !== "expert") return "plain";
  if (kind === "bf16") return "plain";
  if (kind === "fp8") return "fp8_f32";
  if (kind === "compressed-tensors")
    return role === "expert" ? "int4" : part === "main_proj" ? "plain" : "fp8_ct";
  if (role !== "expert") return "fp8";
  return kind === "nvfp4" && block.kind === "layer" ? "nvfp4" : "fp4";
}

function encoded(spec: TensorSpec, codes: Codes): FactTensor[] {
  const name = stem(spec);
  const [out, in_] = spec.shape;
  const tensor = (suffix: string, dtype: Dtype, shape: readonly number[]): FactTensor => ({
    name: name + suffix,
    dtype,
    shape,
  });
  const blocks = [Math.ceil(out / 128), Math.ceil(in_ / 128)];
  switch (codes) {
    case "plain": {
      const dtype: Dtype = spec.storage === "table" ? "i64" : spec.storage === "f32" ? "f32" : "bf16";
      return [{ name: spec.name, dtype, shape: spec.shape }];
    }
    case "fp4":
      return [tensor(".weight", "i8", [out, in_ / 2]), tensor(".scale", "F8_E8M0", [out, in_ / 32])];
    case "fp8":
      return [tensor(".weight", "F8_E4M3", spec.shape), tensor(".scale", "F8_E8M0", blocks)];
    case "fp8_f32":
      return [tensor(".weight", "F8_E4M3", spec.shape), tensor(".scale", "f32", blocks)];
    case "fp8_ct":
      return [tensor(".weight", "F8_E4M3", spec.shape), tensor(".weight_scale", "bf16", blocks)];
    case "nvfp4":
      return [
        tensor(".weight", "u8", [out, in_ / 2]),
        tensor(".weight_scale", "F8_E4M3", [out, in_ / 16]),
        tensor(".weight_scale_2", "f32", []),
        tensor(".input_scale", "f32", []),
      ];
    case "int4":
      return [
        tensor(".weight_packed", "i32", [out, in_ / 8]),
        tensor(".weight_scale", "bf16", [out, in_ / 128]),
        tensor(".weight_shape", "i64", [2]),
      ];
  }
}

function finish(
  shards: readonly FactTensor[][],
  config: object,
  hfQuantConfig: Record<string, unknown>,
): Draft {
  const number = (n: number): string => String(n).padStart(5, "0");
  const files = shards.map(
    (tensors, i): DraftFile => ({
      name: `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`,
      kind: "model",
      metadata: new Map(),
      tensors,
    }),
  );
  return {
    container: "safetensors",
    files,
    config: JSON.parse(JSON.stringify(config)) as Record<string, unknown>,
    hfQuantConfig,
    weightMap: new Map(files.flatMap((file) => file.tensors.map(({ name }) => [name, file.name] as const))),
    extraFiles: ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json"],
  };
}

/** MLX's names, written out by hand here. */
const MLX_STEMS: readonly (readonly [RegExp, string])[] = [
  [/^embed$/, "model.embed_tokens"],
  [/^norm$/, "model.norm"],
  [/^head$/, "lm_head"],
  [/^hc_head_(fn|base|scale)$/, "model.hc_head.$1"],
  [/^layers\.(\d+)\.hc_attn_(.+)$/, "model.layers.$1.attn_hc.$2"],
  [/^layers\.(\d+)\.hc_ffn_(.+)$/, "model.layers.$1.ffn_hc.$2"],
  [/^layers\.(\d+)\.ffn\.gate\.bias$/, "model.layers.$1.ffn.gate.e_score_correction_bias"],
  [/^layers\.(\d+)\.ffn\.experts\.\d+\.w1$/, "model.layers.$1.ffn.switch_mlp.gate_proj"],
  [/^layers\.(\d+)\.ffn\.experts\.\d+\.w2$/, "model.layers.$1.ffn.switch_mlp.down_proj"],
  [/^layers\.(\d+)\.ffn\.experts\.\d+\.w3$/, "model.layers.$1.ffn.switch_mlp.up_proj"],
  [/^layers\.(\d+)\.ffn\.shared_experts\.w1$/, "model.layers.$1.ffn.shared_experts.gate_proj"],
  [/^layers\.(\d+)\.ffn\.shared_experts\.w2$/, "model.layers.$1.ffn.shared_experts.down_proj"],
  [/^layers\.(\d+)\.ffn\.shared_experts\.w3$/, "model.layers.$1.ffn.shared_experts.up_proj"],
  [/^layers\./, "model.layers."],
];

/** A folder for MLX: experts as its mxfp4, dense matrices affine in 8 bits. */
export function mlxDraft(config: ModelConfig, raw: object): Draft {
  const tensors: FactTensor[] = [];
  const entries: Record<string, unknown> = { group_size: 64, bits: 8, mode: "affine" };
  for (const spec of inventory(config, "none")) {
    if ((spec.expert ?? 0) > 0) continue;
    const own = stem(spec);
    const [from, to] = MLX_STEMS.find(([pattern]) => pattern.test(own)) as (typeof MLX_STEMS)[number];
    const name = own.replace(from, to);
    const [out, in_] = spec.shape;
    if (spec.role === "expert") {
      const lead = [config.expertCount, out];
      tensors.push({ name: `${name}.weight`, dtype: "u32", shape: [...lead, in_ / 8] });
      tensors.push({ name: `${name}.scales`, dtype: "u8", shape: [...lead, in_ / 32] });
      entries[name] = { group_size: 32, bits: 4, mode: "mxfp4" };
    } else if (spec.storage === "matrix" || spec.role === "embed" || spec.role === "head") {
      tensors.push({ name: `${name}.weight`, dtype: "u32", shape: [out, in_ / 4] });
      for (const suffix of [".scales", ".biases"])
        tensors.push({ name: name + suffix, dtype: "bf16", shape: [out, in_ / 64] });
    } else {
      const dtype: Dtype = spec.storage === "table" ? "i32" : spec.storage === "f32" ? "f32" : "bf16";
      const weight = spec.name.endsWith(".weight") ? ".weight" : "";
      tensors.push({ name: name + weight, dtype, shape: spec.shape });
    }
  }
  return finish([tensors], { ...raw, quantization: entries, quantization_config: entries }, {});
}
