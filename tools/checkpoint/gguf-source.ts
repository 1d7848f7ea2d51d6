import { byteLengthOf } from "../formats/dtypes.ts";
import { type GgufEntry, readGgufHeader } from "../formats/gguf/reader.ts";
import type { GgufMetadata } from "../formats/gguf/values.ts";
import { dataError } from "../lib/errors.ts";
import type { ReadableFile, SourceFolder } from "../lib/files.ts";
import { elementCount, formatShape, sameShape } from "../lib/shape.ts";
import type { ModelConfig } from "../model/config.ts";
import { configFromMetadata } from "../model/gguf-config.ts";
import { inventory, type TensorSpec } from "../model/inventory.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import { tokenizerJsonOf } from "../tokenizer/gguf-tokenizer.ts";
import { factsOf, type PlacedTensor, placeOf, readPlaced } from "./placed-tensor.ts";
import type { TensorSource } from "./source.ts";

/** A tensor of a GGUF and the file that holds it. */
interface PlacedEntry extends GgufEntry {
  readonly part: ReadableFile;
  readonly partName: string;
}

/**
 * Opens a `deepseek4` GGUF, or the first file of a split one, under official names: expert e is a slice of its stack.
 * Owns the folder.
 */
export async function openGgufSource(folder: SourceFolder, first: string): Promise<TensorSource> {
  const path = folder.pathOf(first);
  const parts = [await folder.open(first)];
  const close = async (): Promise<void> => {
    await Promise.all(parts.map((part) => part.close()));
    await folder.close();
  };
  try {
    const { metadata, entries } = await readGgufHeader(parts[0]);
    // Before anything else is asked of it: the second file of a split one has no other keys.
    const others = otherParts(metadata, first, path);
    const config = configFromMetadata(metadata, path);
    const placed = entries.map((entry): PlacedEntry => ({ ...entry, part: parts[0], partName: first }));
    for (const partName of others) {
      const part = await folder.open(partName);
      parts.push(part);
      const header = await readGgufHeader(part);
      checkPart(header.metadata, part.path, { number: parts.length - 1, of: metadata });
      placed.push(...header.entries.map((entry) => ({ ...entry, part, partName })));
    }
    checkTotal(metadata, placed.length, path);
    return {
      location: path,
      ...(folder.commit && { commit: folder.commit }),
      layout: "gguf",
      config,
      metadata,
      tensors: officialTensors(placed, config, path),
      files: parts.map((part) => part.path),
      isLocal: folder.isLocal,
      fileFacts: () => factsOf(folder, [first, ...others]),
      placeOf,
      read: readPlaced,
      readSidecar: async (name) => (name === "tokenizer.json" ? tokenizerJsonOf(metadata) : undefined),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const PART_NAME = /-(\d{5})-of-(\d{5})\.gguf$/;

/** The other files of a split GGUF, by the name of the first: `X-00001-of-00003.gguf`. `path` is for messages. */
export function otherParts(metadata: GgufMetadata, first: string, path: string): string[] {
  const count = Number(metadata.get("split.count")?.value ?? 1);
  if (count === 1) return [];
  const [, number, of] = PART_NAME.exec(first) ?? [];
  if (Number(metadata.get("split.no")?.value ?? 0) !== 0 || number !== "00001" || Number(of) !== count)
    throw dataError({
      what: "not the first file of a split GGUF under its own name",
      file: path,
      expected: `NAME-00001-of-${String(count).padStart(5, "0")}.gguf`,
      next: "name the first file; the others must lie beside it",
    });
  return Array.from({ length: count - 1 }, (_, i) =>
    first.replace(PART_NAME, `-${String(i + 2).padStart(5, "0")}-of-${of}.gguf`),
  );
}

function checkPart(
  metadata: GgufMetadata,
  file: string,
  { number, of }: { readonly number: number; readonly of: GgufMetadata },
): void {
  for (const [key, expected] of [
    ["split.no", number],
    ["split.count", Number(of.get("split.count")?.value)],
  ] as const) {
    const found = Number(metadata.get(key)?.value);
    if (found !== expected)
      throw dataError({
        what: `${key} does not fit the file's name`,
        file,
        expected: String(expected),
        found: String(found),
      });
  }
}

function checkTotal(metadata: GgufMetadata, found: number, file: string): void {
  const expected = metadata.get("split.tensors.count")?.value;
  if (expected !== undefined && Number(expected) !== found)
    throw dataError({
      what: "the files of a split GGUF hold another number of tensors than they say",
      file,
      expected: String(expected),
      found: String(found),
    });
}

function officialTensors(
  entries: readonly PlacedEntry[],
  config: ModelConfig,
  path: string,
): ReadonlyMap<string, StoredTensor> {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const used = new Set<string>();
  const tensors = new Map<string, StoredTensor>();
  for (const spec of inventory(config, "none")) {
    const entry = byName.get(spec.gguf as string);
    // A missing tensor is the census's finding, which knows how to say it.
    if (!entry) continue;
    used.add(entry.name);
    tensors.set(spec.name, sliceOf(entry, spec, config, path));
  }
  const twice = entries.find((entry) => byName.get(entry.name) !== entry);
  if (twice)
    throw dataError({ what: "the tensor is stored twice", file: twice.part.path, tensor: twice.name });
  const unknown = entries.find((entry) => !used.has(entry.name));
  if (unknown)
    throw dataError({ what: "unknown tensor in a deepseek4 GGUF", file: path, tensor: unknown.name });
  return tensors;
}

function sliceOf(entry: PlacedEntry, spec: TensorSpec, config: ModelConfig, path: string): PlacedTensor {
  const stacked = spec.expert !== undefined;
  const ne = [...spec.shape].reverse();
  const expected = stacked ? [...ne, config.expertCount] : ne;
  if (!sameShape(entry.ne, expected))
    throw dataError({
      what: "the shape does not fit the metadata",
      file: path,
      tensor: entry.name,
      expected: formatShape(expected),
      found: formatShape(entry.ne),
    });
  const byteLength = byteLengthOf(entry.dtype, elementCount(spec.shape) as number);
  return {
    name: spec.name,
    dtype: entry.dtype,
    shape: spec.shape,
    byteLength,
    file: entry.part.path,
    shard: entry.part,
    shardName: entry.partName,
    byteOffset: entry.byteOffset + byteLength * (spec.expert ?? 0),
  };
}
