import type { ArtefactFacts, FactTensor } from "../../model/artefact-facts.ts";
import type { ModelConfig } from "../../model/config.ts";
import { type Drafter, inventory, type TensorSpec } from "../../model/inventory.ts";
import { type Encoding, identify, type StoredPieces, SUFFIXES } from "./encodings.ts";
import type { Findings } from "./verdict.ts";

/** A matrix (or a lone vector or table) of the model, and the tensors of a folder that store it. */
export interface StoredModule {
  /** Name without `.weight`: what engines call the module, or the whole name of a tensor that is none. */
  readonly name: string;
  readonly spec: TensorSpec;
  /** Logical shape, `[out, in]`, or `[experts, out, in]` of a stack. */
  readonly shape: readonly number[];
  readonly pieces: StoredPieces;
  readonly encoding: Encoding | undefined;
}

/** A check that a format's rules name because it needs code. */
export type FormatCheck = (
  facts: ArtefactFacts,
  modules: readonly StoredModule[],
  findings: Findings,
) => void;

/** The drafter that the tensors' names show. */
export function drafterOf(tensors: ReadonlyMap<string, FactTensor>): Drafter {
  if (tensors.has("mtp.0.main_proj.weight")) return "dspark";
  return tensors.has("mtp.0.e_proj.weight") ? "mtp" : "none";
}

/** How a folder of official names stores its routed experts, or undefined where it has none. */
export function officialExperts(tensors: ReadonlyMap<string, FactTensor>): Encoding | undefined {
  const pieces = piecesByModule(tensors).get("layers.0.ffn.experts.0.w1");
  return pieces && identify(pieces);
}

/** Every tensor of the folder by name; of two with one name the first. */
export function tensorsOfFolder({ files }: ArtefactFacts): Map<string, FactTensor> {
  const tensors = new Map<string, FactTensor>();
  for (const { tensors: own } of files)
    for (const tensor of own) if (!tensors.has(tensor.name)) tensors.set(tensor.name, tensor);
  return tensors;
}

/** What the model must have, under the engine's names, with what the folder has of it. */
export function* storedModules(
  tensors: ReadonlyMap<string, FactTensor>,
  config: ModelConfig,
  { names, drafter }: { readonly names: "official" | "mlx"; readonly drafter: Drafter },
): Generator<StoredModule> {
  const byModule = piecesByModule(tensors);
  for (const spec of inventory(config, drafter)) {
    if (names === "mlx" && (spec.expert ?? 0) > 0) continue;
    const full = names === "mlx" ? mlxName(spec) : spec.name;
    const stacked = names === "mlx" && spec.expert !== undefined;
    const shape = stacked ? [config.expertCount, ...spec.shape] : spec.shape;
    const module = isModule(spec);
    const name = module ? full.slice(0, -".weight".length) : full;
    const tensor = tensors.get(full);
    const pieces = module ? byModule.get(name) : tensor && new Map([[".weight", tensor]]);
    yield { name, spec, shape, pieces: pieces ?? NONE, encoding: pieces && identify(pieces) };
  }
}

const NONE: StoredPieces = new Map();
const isModule = ({ name }: TensorSpec): boolean => name.endsWith(".weight");

function piecesByModule(tensors: ReadonlyMap<string, FactTensor>): Map<string, Map<string, FactTensor>> {
  const modules = new Map<string, Map<string, FactTensor>>();
  for (const tensor of tensors.values()) {
    const dot = tensor.name.lastIndexOf(".");
    const suffix = tensor.name.slice(dot);
    if (dot < 0 || !SUFFIXES.has(suffix)) continue;
    const name = tensor.name.slice(0, dot);
    const pieces = modules.get(name);
    if (pieces) pieces.set(suffix, tensor);
    else modules.set(name, new Map([[suffix, tensor]]));
  }
  return modules;
}

/** Full name of the tensor that holds a module's piece. */
export const pieceName = ({ name, spec }: StoredModule, suffix: string): string =>
  isModule(spec) ? name + suffix : name;

const MLX_ROOTS: Readonly<Record<string, string>> = {
  "embed.weight": "model.embed_tokens.weight",
  "norm.weight": "model.norm.weight",
  "head.weight": "lm_head.weight",
};
const MLX_EXPERTS: Readonly<Record<string, string>> = { w1: "gate_proj", w2: "down_proj", w3: "up_proj" };

/** The name in mlx-lm's models/deepseek_v4.py after its own renaming; experts of a part share one, being stacked. */
function mlxName({ name }: TensorSpec): string {
  const root = MLX_ROOTS[name];
  if (root) return root;
  return name
    .replace(/^hc_head_/, "model.hc_head.")
    .replace(/^layers\./, "model.layers.")
    .replace(/\.hc_(attn|ffn)_(fn|base|scale)$/, ".$1_hc.$2")
    .replace(/\.gate\.bias$/, ".gate.e_score_correction_bias")
    .replace(/\.experts\.\d+\.(w[123])\./, (_, part: string) => `.switch_mlp.${MLX_EXPERTS[part]}.`)
    .replace(/\.shared_experts\.(w[123])\./, (_, part: string) => `.shared_experts.${MLX_EXPERTS[part]}.`);
}
