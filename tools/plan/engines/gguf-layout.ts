import type { ModelConfig } from "../../model/config.ts";
import { inventory, type TensorSpec } from "../../model/inventory.ts";

/** A tensor that an engine looks for in a GGUF: row-major shape, and what it is to the model. */
export interface GgufDemand {
  readonly name: string;
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
}

const SHARED = new Set(["embed.weight", "norm.weight", "head.weight"]);

/** The tensors of the model's file; with `mtpBlock` those of layer number L too, whose own head collapse has no place. */
export function modelDemands(config: ModelConfig, mtpBlock: boolean): GgufDemand[] {
  const specs = [...inventory(config, mtpBlock ? "mtp" : "none")];
  return demandsOf(
    specs.filter(
      ({ role, block, name }) => !(block.kind === "mtp" && role === "mhc" && name.includes("hc_head_")),
    ),
    config,
    ggufName,
  );
}

/**
 * The tensors of a drafter's own file. `blocks`: llama.cpp's, with the model's embedding, norm and head, and the
 * drafter's head collapse under the root names. `mtp`: ds4's.
 */
export function sidecarDemands(config: ModelConfig, layout: "blocks" | "mtp"): GgufDemand[] {
  const specs = [...inventory(config, "mtp")];
  const drafter = specs.filter(({ block }) => block.kind === "mtp");
  if (layout === "mtp") return demandsOf(drafter, config, ds4SidecarName);
  return demandsOf([...specs.filter(({ name }) => SHARED.has(name)), ...drafter], config, ggufName);
}

const ggufName = ({ gguf }: TensorSpec): string => gguf as string;

/** `mtp.0.` and the official name for what only a drafter has, the name of a layer's tensor in a GGUF for the rest. */
function ds4SidecarName(spec: TensorSpec): string {
  const stem = spec.name.replace(/^mtp\.0\./, "");
  if (/^(hc_head_|[eh]_proj\.|enorm\.|hnorm\.|norm\.)/.test(stem))
    return `mtp.0.${stem.endsWith(".weight") ? stem : `${stem}.weight`}`;
  return ggufName(spec).replace(/^blk\.\d+\./, "mtp.0.");
}

/** Experts of one name are stacked along a new first axis, halves of a fusion joined along the columns. */
function demandsOf(
  specs: readonly TensorSpec[],
  config: ModelConfig,
  nameOf: (spec: TensorSpec) => string,
): GgufDemand[] {
  const demands = new Map<string, GgufDemand>();
  for (const spec of specs) {
    const name = nameOf(spec);
    const first = demands.get(name);
    if (!first) {
      const shape = spec.expert === undefined ? spec.shape : [config.expertCount, ...spec.shape];
      demands.set(name, { name, spec, shape });
    } else if (spec.expert === undefined) {
      const [out, in_] = first.shape;
      demands.set(name, { ...first, shape: [out, in_ + spec.shape[1]] });
    }
  }
  return [...demands.values()];
}
