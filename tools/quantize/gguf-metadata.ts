import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TensorSource } from "../checkpoint/source.ts";
import { type Dtype, traitsOf } from "../formats/dtypes.ts";
import { type GgufMetadata, str, u32 } from "../formats/gguf/values.ts";
import { inputError } from "../lib/errors.ts";
import { MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES } from "../lib/limits.ts";
import { PACKAGE_ROOT, VERSION } from "../lib/package-root.ts";
import type { Census } from "../model/census.ts";
import { architectureMetadata } from "../model/gguf-config.ts";
import { releaseName } from "../model/identify.ts";
import type { GgufPlan, PlannedFile } from "../plan/gguf-plan.ts";
import { tokenizerMetadata } from "../tokenizer/gguf-tokenizer.ts";

/** All metadata of one output file. Nothing here depends on the machine, the clock or where the source lies. */
export async function ggufMetadata(
  source: TensorSource,
  census: Census,
  plan: GgufPlan,
  file: PlannedFile,
): Promise<GgufMetadata> {
  const name = releaseName(census);
  const { recipe } = plan;
  const sidecar = file.kind === "mtp";
  return new Map([
    ["general.architecture", str("deepseek4")],
    ["general.type", str("model")],
    ["general.name", str(sidecar ? `${name} MTP` : name)],
    ["general.file_type", u32(traitsOf(mainFormat(file)).ggufFileType ?? 0)],
    ["general.quantization_version", u32(2)],
    ["general.alignment", u32(32)],
    ["v4kit.version", str(VERSION)],
    ["v4kit.recipe", str(`${recipe.name}@${recipe.version}`)],
    ...architectureMetadata(census.config, { drafterBlocks: sidecar ? 1 : 0 }),
    ...(await tokenizerKeys(source)),
  ]);
}

/** The format of most bytes: experts are 97 % of a model. */
function mainFormat(file: PlannedFile): Dtype {
  const expert = file.tensors.find(({ parts }) => parts[0].entry.spec.role === "expert");
  return (expert ?? file.tensors[0]).dtype;
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
