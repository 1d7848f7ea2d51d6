import type { Manifest } from "../artefact/manifest-file.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { OutputPlan } from "../plan/output-plan.ts";

/** A small file beside the tensors of a folder. */
export interface FolderFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything that belongs into an artefact's folder beside its shards: index, configuration, tokenizer, licence, model card. */
export async function folderFiles(
  _source: TensorSource,
  _plan: OutputPlan,
  _manifest: Manifest,
): Promise<FolderFile[]> {
  return [];
}
