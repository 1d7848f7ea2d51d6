import { basename } from "node:path";
import pLimit from "p-limit";
import { readSafetensorsHeader } from "../formats/safetensors/reader.ts";
import { dataError, inputError, printable, V4Error } from "../lib/errors.ts";
import type { ReadableFile, SourceFolder } from "../lib/files.ts";
import { HEADER_READS, MAX_CONFIG_BYTES, MAX_INDEX_BYTES } from "../lib/limits.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { parseConfig } from "../model/config.ts";
import { officialName } from "../model/names.ts";
import { isMlx, officialOfMlx } from "./mlx-tensors.ts";
import { factsOf, type PlacedTensor, placeOf, readPlaced } from "./placed-tensor.ts";
import type { TensorSource } from "./source.ts";

const INDEX = "model.safetensors.index.json";
const SINGLE = "model.safetensors";

/**
 * Opens a folder in the official layout: config.json and sharded (or single) safetensors, a Hugging Face cache
 * snapshot included, whose shards are symbolic links into `../../blobs`, or a repository elsewhere. Owns the folder.
 */
export async function openSafetensorsSource(folder: SourceFolder): Promise<TensorSource> {
  const configPath = folder.pathOf("config.json");
  const json = await folder.readOptional("config.json", MAX_CONFIG_BYTES);
  if (!json) throw inputError({ what: "no such file or folder", file: configPath });
  const config = parseConfig(parseStrictJson(json, configPath), configPath);
  const weightMap = await readWeightMap(folder);
  const files = weightMap ? [...new Set(weightMap.values())] : [SINGLE];
  const shards: ReadableFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(shards.map((shard) => shard.close()));
    await folder.close();
  };
  try {
    const limit = pLimit(HEADER_READS);
    const perShard = await limit.map(files, async (file) => {
      const shard = await openShard(folder, file);
      shards.push(shard);
      const { entries } = await readSafetensorsHeader(shard);
      return entries.map(
        (entry): PlacedTensor => ({
          ...entry,
          file: shard.path,
          shard,
          shardName: file,
        }),
      );
    });
    const stored = indexTensors(perShard.flat(), weightMap, folder);
    const tensors = isMlx(stored) ? officialOfMlx(stored, config) : stored;
    return {
      location: folder.location,
      ...(folder.commit && { commit: folder.commit }),
      layout: "safetensors",
      config,
      tensors,
      files: files.map((file) => folder.pathOf(file)),
      isLocal: folder.isLocal,
      fileFacts: () => factsOf(folder, files),
      placeOf,
      read: readPlaced,
      readSidecar: (name, maxBytes) => folder.readOptional(name, maxBytes),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openShard(folder: SourceFolder, name: string): Promise<ReadableFile> {
  try {
    return await folder.open(name);
  } catch (error) {
    if (error instanceof V4Error && error.kind === "input")
      throw inputError(
        { what: "a shard is missing", file: folder.pathOf(name), next: "download it again" },
        error,
      );
    throw error;
  }
}

/** The `weight_map` of the index, or undefined for a checkpoint in one file. */
export async function readWeightMap(folder: SourceFolder): Promise<ReadonlyMap<string, string> | undefined> {
  const path = folder.pathOf(INDEX);
  const bytes = await folder.readOptional(INDEX, MAX_INDEX_BYTES);
  if (!bytes) {
    if (!(await folder.has(SINGLE)))
      throw inputError({
        what: "no weights in this folder",
        file: folder.location,
        expected: `${INDEX} or ${SINGLE}`,
      });
    return undefined;
  }
  const index = parseStrictJson(bytes, path) as { weight_map?: unknown } | null;
  const map = index?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map) || Object.keys(map).length === 0)
    throw dataError({ what: "the index has no weight_map", file: path });
  for (const [tensor, file] of Object.entries(map as Record<string, unknown>))
    checkShardName(tensor, file, path);
  return new Map(Object.entries(map as Record<string, string>));
}

/** A shard's name must be a plain name in this folder. Where a link of that name points is the cache's business. */
function checkShardName(tensor: string, file: unknown, path: string): void {
  if (typeof file === "string" && file === basename(file) && /^[^\\/:\0]+\.safetensors$/.test(file)) return;
  throw dataError({
    what: "weight_map names a file outside the checkpoint folder or not a shard",
    file: path,
    tensor,
    expected: "a plain name such as model-00001-of-00046.safetensors",
    found: printable(JSON.stringify(file)),
  });
}

/** Every tensor exactly once, and in the file that the index says. */
function indexTensors(
  placed: readonly PlacedTensor[],
  weightMap: ReadonlyMap<string, string> | undefined,
  folder: SourceFolder,
): ReadonlyMap<string, PlacedTensor> {
  const tensors = new Map<string, PlacedTensor>();
  for (const tensor of placed) {
    const mapped = weightMap?.get(tensor.name);
    if (weightMap && mapped !== tensor.shardName)
      throw dataError({
        what: "the shard holds a tensor that the index does not place there",
        file: tensor.file,
        tensor: tensor.name,
        found: mapped ?? "no entry",
      });
    const name = officialName(tensor.name);
    if (tensors.has(name))
      throw dataError({ what: "the tensor is stored twice", file: tensor.file, tensor: name });
    tensors.set(name, { ...tensor, name });
  }
  for (const [name, file] of weightMap ?? [])
    if (!tensors.has(officialName(name)))
      throw dataError({
        what: "the index lists a tensor that its shard does not hold",
        file: folder.pathOf(file),
        tensor: name,
      });
  return tensors;
}
