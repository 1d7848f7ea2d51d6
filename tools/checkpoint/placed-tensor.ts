import type { ReadableFile, SourceFolder } from "../lib/files.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import type { FilePlace, SourceFile } from "./source.ts";

/** A tensor and where its bytes are. */
export interface PlacedTensor extends StoredTensor {
  readonly shard: ReadableFile;
  /** In its folder. */
  readonly shardName: string;
  readonly byteOffset: number;
}

/** `read` of a source whose tensors are `PlacedTensor`s. */
export async function readPlaced(stored: StoredTensor, byteOffset: number, into: Uint8Array): Promise<void> {
  const tensor = stored as PlacedTensor;
  if (byteOffset < 0 || byteOffset + into.length > tensor.byteLength)
    throw new RangeError(
      `read of ${into.length} bytes at ${byteOffset} in ${tensor.name} (${tensor.byteLength} bytes)`,
    );
  await tensor.shard.read(into, tensor.byteOffset + byteOffset);
}

/** `placeOf` of such a source. */
export function placeOf(stored: StoredTensor, byteOffset: number): FilePlace {
  const { shardName, byteOffset: start } = stored as PlacedTensor;
  return { name: shardName, position: start + byteOffset };
}

/** What a folder knows of its files without reading them, by name. */
export async function factsOf(folder: SourceFolder, names: readonly string[]): Promise<SourceFile[]> {
  const files = await Promise.all(names.map(async (name) => ({ name, ...(await folder.facts(name)) })));
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}
