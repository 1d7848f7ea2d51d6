import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { isDtype, traitsOf } from "../formats/dtypes.ts";
import { dataError } from "../lib/errors.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";

const limit = v.pipe(v.number(), v.minValue(0));
const ClassLimits = v.strictObject({ mean_kl: limit, top1: limit, nmse: limit });
const GateYaml = v.strictObject({
  tensor_rmse: v.record(v.string(), limit),
  classes: v.strictObject({
    lossless: ClassLimits,
    "8-bit": ClassLimits,
    "4-bit": ClassLimits,
    "3-bit": ClassLimits,
    "2-bit": ClassLimits,
  }),
});

export type ValidationGate = v.InferOutput<typeof GateYaml>;
export type GateClass = keyof ValidationGate["classes"];

/** The limits of configs/gates/validate.yaml. */
export function loadGate(file = join(PACKAGE_ROOT, "configs/gates/validate.yaml")): ValidationGate {
  const parsed = v.safeParse(GateYaml, parse(readFileSync(file, "utf8")));
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw dataError({ what: `gate: ${v.getDotPath(issue) ?? "(root)"}: ${issue.message}`, file });
}

/** The class of an artefact by the formats of the routed experts that it does not keep exactly. */
export function classOf(experts: readonly { readonly to: string; readonly promised: boolean }[]): GateClass {
  const lossy = experts.filter(({ promised }) => !promised);
  if (lossy.length === 0) return "lossless";
  const bits = Math.min(...lossy.map(({ to }) => (isDtype(to) ? bitsPerWeight(to) : (SCALED_BITS[to] ?? 8))));
  return bits > 7 ? "8-bit" : bits > 3.9 ? "4-bit" : bits > 2.9 ? "3-bit" : "2-bit";
}

/** Bits per weight of formats with scales of their own, at their smallest groups; FP8 is the one not listed. */
const SCALED_BITS: Readonly<Record<string, number>> = {
  fp4: 4.25,
  nvfp4_groups: 4.5,
  int4_groups: 4.5,
  mlx_affine4: 4.5,
};

function bitsPerWeight(name: Parameters<typeof traitsOf>[0]): number {
  const { blockBytes, blockLength } = traitsOf(name);
  return (8 * blockBytes) / blockLength;
}
