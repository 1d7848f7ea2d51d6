import type { TensorSpec } from "./inventory.ts";

/**
 * Official names to those of `deepseek_v4` in mlx-lm (pull request 1192), as its `sanitize` leaves them, so that a
 * loader renames nothing. Norms are modules there and keep `.weight`; `ape`, `attn_sink`, `tid2eid` and the
 * hyper-connections are bare parameters. A later implementation calls the latter `hc_attn`, and reads `attn_hc` too.
 */

const ROOT = new Map([
  ["embed.weight", "model.embed_tokens.weight"],
  ["norm.weight", "model.norm.weight"],
  ["head.weight", "lm_head.weight"],
  ["hc_head_fn", "model.hc_head.fn"],
  ["hc_head_base", "model.hc_head.base"],
  ["hc_head_scale", "model.hc_head.scale"],
]);

const PROJECTIONS = new Map([
  ["w1", "gate_proj"],
  ["w2", "down_proj"],
  ["w3", "up_proj"],
]);

/**
 * The name of a tensor in an MLX checkpoint; undefined for the drafters, which MLX drops. The matrices of one projection
 * share a name, under which they are stacked `[experts, out, in]` by ascending id.
 */
export function mlxName({ name, block, role, part }: TensorSpec): string | undefined {
  if (block.kind === "mtp") return undefined;
  if (block.kind === "root") return ROOT.get(name);
  const prefix = `model.layers.${block.index}.`;
  if (role === "expert") return `${prefix}ffn.switch_mlp.${PROJECTIONS.get(part)}.weight`;
  if (role === "shared_expert") return `${prefix}ffn.shared_experts.${PROJECTIONS.get(part)}.weight`;
  if (role === "router_bias") return `${prefix}ffn.gate.e_score_correction_bias`;
  if (role === "mhc") return prefix + part.replace(/^hc_(attn|ffn)_/, "$1_hc.");
  return `model.${name}`;
}
