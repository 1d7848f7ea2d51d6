import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TensorSource } from "../checkpoint/source.ts";
import { sourceDigest } from "../checkpoint/source-identity.ts";
import { type Dtype, traitsOf } from "../formats/dtypes.ts";
import { type GgufMetadata, type GgufValue, str, u32 } from "../formats/gguf/values.ts";
import { inputError } from "../lib/errors.ts";
import { MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES } from "../lib/limits.ts";
import { PACKAGE_ROOT, VERSION } from "../lib/package-root.ts";
import { architectureMetadata } from "../model/gguf-config.ts";
import { releaseName } from "../model/identify.ts";
import { type OutputPlan, type PlannedFile, planFingerprint } from "../plan/output-plan.ts";
import { isGguf } from "../plan/recipe.ts";
import { tokenizerMetadata } from "../tokenizer/gguf-tokenizer.ts";
import { encodersOf } from "./encoders.ts";
import type { ImportanceFacts } from "./importance.ts";
import { storedTensors } from "./layout-files.ts";

/** What the header of one file says beside its tensors. */
export type FileMetadata =
  | { readonly container: "gguf"; keys(crcs: readonly number[]): GgufMetadata }
  | { readonly container: "safetensors"; readonly strings: Readonly<Record<string, string>> };

/** Where an artefact comes from, as it says itself. Nothing here depends on the machine, the clock or where the source lies. */
function provenance(source: TensorSource, plan: OutputPlan, importance: ImportanceFacts): [string, string][] {
  const { recipe, format } = plan;
  return [
    ["v4kit.version", VERSION],
    ["v4kit.recipe", `${recipe.name}@${recipe.version}`],
    ["v4kit.format", format],
    ["v4kit.plan", planFingerprint(plan)],
    ["v4kit.source", sourceDigest(source)],
    ["v4kit.importance", importance.mode],
    ...(importance.sha256 ? ([["v4kit.importance.sha256", importance.sha256]] as [string, string][]) : []),
    ["v4kit.encoders", encodersOf(plan).join(" ")],
  ];
}

/** The metadata of every file of a plan, in its order. */
export async function fileMetadata(
  source: TensorSource,
  plan: OutputPlan,
  importance: ImportanceFacts,
): Promise<FileMetadata[]> {
  const facts = provenance(source, plan, importance);
  if (!isGguf(plan.format)) {
    const strings = Object.fromEntries(facts);
    return plan.files.map(() => ({ container: "safetensors", strings }));
  }
  const tokenizer = await tokenizerKeys(source);
  const tensorCount = plan.files
    .filter(({ split }) => split)
    .reduce((sum, file) => sum + storedTensors(file), 0);
  return plan.files.map((file) => ({
    container: "gguf",
    keys: (crcs) =>
      new Map<string, GgufValue>([
        ...(file.split && file.split.number > 0 ? [] : modelKeys(plan, file)),
        ...(file.split ? splitKeys(file.split, tensorCount) : []),
        ...facts.map(([key, value]): [string, GgufValue] => [key, str(value)]),
        ...(importance.datasets?.length
          ? ([["quantize.imatrix.dataset", str(importance.datasets.join(", "))]] as [string, GgufValue][])
          : []),
        ["v4kit.tensor_crc32", { type: "array", of: "u32", value: crcs }],
        ...(file.split && file.split.number > 0 ? [] : tokenizer),
      ]),
  }));
}

function modelKeys({ census }: OutputPlan, file: PlannedFile): [string, GgufValue][] {
  const name = releaseName(census);
  const sidecar = file.kind === "mtp";
  return [
    ["general.architecture", str("deepseek4")],
    ["general.type", str("model")],
    ["general.name", str(sidecar ? `${name} MTP` : name)],
    ["general.license", str("mit")],
    ["general.file_type", u32(traitsOf(mainFormat(file)).ggufFileType ?? 0)],
    ["general.quantization_version", u32(2)],
    ["general.alignment", u32(32)],
    ...architectureMetadata(census.config, { drafterBlocks: sidecar ? 1 : 0 }),
  ];
}

/** Loaders refuse these in any other type. */
const splitKeys = (
  { number, count }: NonNullable<PlannedFile["split"]>,
  tensors: number,
): [string, GgufValue][] => [
  ["split.no", { type: "u16", value: number }],
  ["split.count", { type: "u16", value: count }],
  ["split.tensors.count", { type: "i32", value: tensors }],
];

/** The format of most bytes: experts are 97 % of a model. */
function mainFormat(file: PlannedFile): Dtype {
  const expert = file.tensors.find(({ parts }) => parts[0].entry.spec.role === "expert");
  return (expert ?? file.tensors[0]).outputs[0].dtype;
}

async function tokenizerKeys(source: TensorSource): Promise<ReturnType<typeof tokenizerMetadata>> {
  const json = await source.readSidecar("tokenizer.json", MAX_TOKENIZER_BYTES);
  const file = join(source.location, "tokenizer.json");
  if (!json)
    throw inputError({
      what: "the checkpoint has no tokenizer.json, without which no engine can use a GGUF",
      file,
    });
  const own = await source.readSidecar("chat_template.jinja", MAX_CONFIG_BYTES);
  const chatTemplate = own
    ? new TextDecoder().decode(own)
    : readFileSync(join(PACKAGE_ROOT, "configs/chat/v4-preview.jinja"), "utf8");
  const { vocabSize, bosId, eosId } = source.config;
  return tokenizerMetadata(json, file, { vocabSize, bosId, eosId, chatTemplate });
}
