import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { parse } from "yaml";
import { type Dtype, isDtype } from "../../formats/dtypes.ts";
import { dataError } from "../../lib/errors.ts";
import { PACKAGE_ROOT } from "../../lib/package-root.ts";
import type { TensorSpec } from "../../model/inventory.ts";
import { ENCODING_NAMES } from "./encodings.ts";

/** The rules of configs/engines: what an engine demands of an artefact, each with the reason that a user reads. */

const DtypeName = v.pipe(
  v.string(),
  v.check(isDtype, "Expected a dtype"),
  v.transform((name) => name as Dtype),
);
const Names = v.pipe(v.array(v.string()), v.minLength(1));

/** Which tensors a rule is for; the first rule that matches decides. */
const selector = {
  roles: Names,
  parts: v.optional(Names),
  blocks: v.optional(v.array(v.picklist(["root", "layer", "mtp"]))),
};

const GgufTensorRule = v.strictObject({
  ...selector,
  dtypes: v.array(DtypeName),
  /** Accepted by the loader, unproven or unwise: a doubt, or a note. */
  doubtful: v.optional(v.array(DtypeName)),
  prefer: v.optional(v.array(DtypeName)),
  /** Why not another one; for `prefer` and `doubtful` the text of the note. */
  why: v.string(),
});

const KeyRule = v.strictObject({
  names: Names,
  /** `u32`, or `array i32`. */
  types: Names,
  /** `silent`: without it the model loads and computes nonsense. `optional`: checked where present. */
  need: v.picklist(["required", "silent", "optional"]),
  /** Of an array: the blocks of the file, at least as many, or the vocabulary. */
  length: v.optional(v.picklist(["blocks", "at-least-blocks", "vocabulary"])),
  /** What it may hold, where the model's configuration does not say. */
  values: v.optional(v.array(v.union([v.string(), v.number(), v.boolean()]))),
  /** Strings that the array must have. */
  contains: v.optional(Names),
  why: v.string(),
});

const Sidecar = v.strictObject({
  /** `blocks`: layer number L, with embedding, norm and head. `mtp`: the drafter alone, under `mtp.0.` */
  layout: v.picklist(["blocks", "mtp"]),
  keys: v.array(KeyRule),
  tensors: v.array(GgufTensorRule),
});

const GgufRules = v.strictObject({
  container: v.literal("gguf"),
  /** Types of the `split.*` keys, or false where the engine opens one file only. */
  split: v.union([v.literal(false), v.record(v.string(), v.string())]),
  /** Geometries the engine has compiled in; any where left out. */
  geometries: v.optional(
    v.array(
      v.strictObject({
        name: v.string(),
        note: v.optional(v.string()),
        fields: v.record(v.string(), v.union([v.number(), v.array(v.number())])),
      }),
    ),
  ),
  /** An MTP block inside the model's file: a note, or false where the engine refuses it. */
  combined: v.union([v.literal(false), v.string()]),
  /** Tensors beside the architecture's: why there may be none, and names (regular expressions) that it ignores. */
  strangers: v.strictObject({ why: v.string(), ignored: v.optional(v.array(v.string()), []) }),
  /** Parts of a layer's experts that share a dtype. */
  same: v.array(Names),
  keys: v.array(KeyRule),
  tensors: v.array(GgufTensorRule),
  sidecar: Sidecar,
});

const Json = v.unknown();
const ConfigRule = v.strictObject({
  file: v.optional(v.picklist(["config.json", "hf_quant_config.json"]), "config.json"),
  /** Dotted path. */
  key: v.string(),
  /** One of these values; or present, or absent. */
  is: v.union([v.array(Json), v.literal("present"), v.literal("absent")]),
  /** It may be missing. */
  optional: v.optional(v.boolean()),
  /** What else it holds makes the verdict doubtful, no more: the engine's source was not seen to demand it. */
  doubtful: v.optional(v.boolean()),
  why: v.string(),
});

const EncodingName = v.picklist(ENCODING_NAMES);
const FolderTensorRule = v.strictObject({
  ...selector,
  encodings: v.array(EncodingName),
  /** Narrows the dtype of a `plain` tensor. */
  dtypes: v.optional(v.array(DtypeName)),
  doubtful: v.optional(v.array(EncodingName)),
  why: v.string(),
});

const FolderFormat = v.strictObject({
  name: v.string(),
  /** Encodings of the trunk's routed experts by which an artefact is of this format. */
  experts: v.array(EncodingName),
  loads: v.picklist(["yes", "no", "unknown"]),
  /** Where that is known from; the reason where it is no or unknown. */
  why: v.string(),
  notes: v.optional(Names),
  /** Reason for doubt where the checkpoint has a DSpark drafter. */
  dspark: v.optional(v.string()),
  config: v.optional(v.array(ConfigRule), []),
  checks: v.optional(v.array(v.picklist(["modelopt-layers", "config-groups", "mlx-quantization"])), []),
  tensors: v.optional(v.array(FolderTensorRule), []),
});

const FolderRules = v.strictObject({
  container: v.literal("safetensors"),
  names: v.picklist(["official", "mlx"]),
  /** What an engine with names of its own does with a folder of official ones: storages of experts it may read, and why that is a doubt. */
  official: v.optional(v.strictObject({ encodings: v.array(EncodingName), why: v.string() })),
  files: Names,
  config: v.array(ConfigRule),
  /** Modules that the engine fuses into one: stems inside a layer or an expert. */
  fused: v.array(Names),
  /** Rules of every format, after its own. */
  tensors: v.array(FolderTensorRule),
  formats: v.pipe(v.array(FolderFormat), v.minLength(1)),
});

const common = { engine: v.string(), version: v.string(), evidence: v.string() };
const EngineYaml = v.variant("container", [
  v.strictObject({ ...common, ...GgufRules.entries }),
  v.strictObject({ ...common, ...FolderRules.entries }),
]);

export type EngineRules = v.InferOutput<typeof EngineYaml>;
export type GgufEngine = Extract<EngineRules, { container: "gguf" }>;
export type FolderEngine = Extract<EngineRules, { container: "safetensors" }>;
export type GgufTensorRule = v.InferOutput<typeof GgufTensorRule>;
export type KeyRule = v.InferOutput<typeof KeyRule>;
export type ConfigRule = v.InferOutput<typeof ConfigRule>;
export type FolderFormat = v.InferOutput<typeof FolderFormat>;

const FOLDER = join(PACKAGE_ROOT, "configs/engines");

/** Parses an engine's rules. */
export function parseEngineRules(text: string, file: string): EngineRules {
  const parsed = v.safeParse(EngineYaml, parse(text));
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw dataError({ what: `engine rules: ${v.getDotPath(issue) ?? "(root)"}: ${issue.message}`, file });
}

/** The engines that v4kit knows, by file name. */
export function shippedEngines(): readonly EngineRules[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => parseEngineRules(readFileSync(join(FOLDER, file), "utf8"), join(FOLDER, file)));
}

interface Selector {
  readonly roles: readonly string[];
  readonly parts?: readonly string[] | undefined;
  readonly blocks?: readonly string[] | undefined;
}

/** The first rule for a tensor, or undefined: rules cover every tensor, which a test makes sure of. */
export const ruleFor = <Rule extends Selector>(rules: readonly Rule[], spec: TensorSpec): Rule | undefined =>
  rules.find(
    ({ roles, parts, blocks }) =>
      roles.includes(spec.role) &&
      (parts?.includes(spec.part) ?? true) &&
      (blocks?.includes(spec.block.kind) ?? true),
  );
