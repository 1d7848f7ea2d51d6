import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Manifest } from "../artefact/manifest-file.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import { MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES } from "../lib/limits.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import { SIDECAR_NAMES } from "../model/sidecar-names.ts";
import { classesOf } from "../plan/output-classes.ts";
import type { OutputPlan } from "../plan/output-plan.ts";
import { configFiles, jsonFile, textFile } from "./folder-config.ts";
import { modelCard } from "./model-card.ts";

/** A small file beside the tensors of a folder; `name` may lead into a folder of its own. */
export interface FolderFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything that belongs into an artefact's folder beside its shards: index, configuration, tokenizer, licence, model card. */
export async function folderFiles(
  source: TensorSource,
  plan: OutputPlan,
  manifest: Manifest,
): Promise<FolderFile[]> {
  const copied: FolderFile[] = [];
  for (const name of SIDECAR_NAMES) {
    const bytes = await source.readSidecar(
      name,
      name === "tokenizer.json" ? MAX_TOKENIZER_BYTES : MAX_CONFIG_BYTES,
    );
    if (bytes) copied.push({ name, bytes });
  }
  return [
    indexFile(manifest),
    ...(await configFiles(source, plan)),
    ...copied,
    { name: "LICENSE", bytes: await licence(source) },
    textFile("README.md", modelCard(manifest, classesOf(plan))),
  ];
}

function indexFile({ tensors }: Manifest): FolderFile {
  return jsonFile("model.safetensors.index.json", {
    metadata: { total_size: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0) },
    weight_map: Object.fromEntries(tensors.map(({ name, file }) => [name, file])),
  });
}

/** The source's own licence, or the one that every release has. */
const licence = async (source: TensorSource): Promise<Uint8Array> =>
  (await source.readSidecar("LICENSE", MAX_CONFIG_BYTES)) ??
  (await readFile(join(PACKAGE_ROOT, "configs/models/LICENSE")));
