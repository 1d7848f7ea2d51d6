import { changeMembers, type JsonMembers, readMembers, writeMembers } from "../lib/json-members.ts";
import type { MlxQuantization } from "./mlx-config.ts";

/** How loaders are told what the weights of an artefact are. */
export type OutputQuantization =
  /** Nothing is quantized. */
  | { readonly method: "none" }
  /** As in the releases: FP8 matrices, and experts that `expertDtype` names. */
  | {
      readonly method: "fp8";
      readonly expertDtype?: "fp4" | "fp8";
      /** ModelOpt's word for the routed experts, where they are neither. */
      readonly moeAlgorithm?: "NVFP4";
      /** Rows and columns of a block; undefined where there is no FP8 matrix. */
      readonly block: readonly [number, number] | undefined;
      /** Modules that a release has in FP8 and this artefact has not. */
      readonly plain: readonly string[];
    }
  | { readonly method: "compressed-tensors"; readonly config: object }
  | { readonly method: "mlx"; readonly config: MlxQuantization | undefined };

export interface ConfigChoice {
  readonly quantization: OutputQuantization;
  /** Whether a drafter is among the tensors. */
  readonly drafter: boolean;
}

/** The object of the releases: FP8 with E8M0 scales, or with F32 scales that are powers of two. */
const OFFICIAL: JsonMembers = new Map([
  ["activation_scheme", '"dynamic"'],
  ["fmt", '"e4m3"'],
  ["quant_method", '"fp8"'],
  ["scale_fmt", '"ue8m0"'],
  ["weight_block_size", "[128, 128]"],
]);

/**
 * The config.json of an artefact: the source's own, its keys and their order, changed where the artefact differs. What
 * engines read beside the weights stays, `compress_ratios` with its entries for drafter blocks included: they accept a
 * longer list, and refuse the keys that transformers has for it since 4.58.
 */
export function outputConfig(source: JsonMembers, { quantization, drafter }: ConfigChoice): string {
  const fp8 = quantization.method === "fp8";
  const changes: [string, unknown][] = [
    ["quantization", quantization.method === "mlx" ? quantization.config : undefined],
    ["quantization_config", quantizationConfig(source, quantization)],
    // Engines take its absence for FP4, and read it with FP8 as the method alone.
    ["expert_dtype", fp8 ? quantization.expertDtype : undefined],
  ];
  if (!drafter) {
    changes.push(["num_nextn_predict_layers", 0]);
    for (const key of source.keys()) if (key.startsWith("dspark_")) changes.push([key, undefined]);
  }
  if (quantization.method === "none") {
    changes.push(["torch_dtype", "bfloat16"]);
    if (source.has("dtype")) changes.push(["dtype", "bfloat16"]);
  }
  return `${writeMembers(changeMembers(source, changes))}\n`;
}

function quantizationConfig(source: JsonMembers, quantization: OutputQuantization): unknown {
  if (quantization.method === "none") return undefined;
  if (quantization.method !== "fp8") return quantization.config;
  const { block, moeAlgorithm, plain } = quantization;
  return changeMembers(fp8Members(source), [
    ["moe_quant_algo", moeAlgorithm],
    ["ignored_layers", undefined],
    ["modules_to_not_convert", plain.length > 0 ? plain : undefined],
    ...(block ? [["weight_block_size", block] as const] : []),
  ]);
}

/** The source's own object, unless it is another method's. */
function fp8Members(source: JsonMembers): JsonMembers {
  const text = source.get("quantization_config");
  if (!text?.startsWith("{")) return OFFICIAL;
  const own = readMembers(text);
  return own.get("quant_method") === '"fp8"' ? own : OFFICIAL;
}
