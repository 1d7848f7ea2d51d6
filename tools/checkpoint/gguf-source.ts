import { byteLengthOf } from "../formats/dtypes.ts";
import { type GgufEntry, readGgufHeader } from "../formats/gguf/reader.ts";
import { dataError } from "../lib/errors.ts";
import { openForReading, type ReadableFile } from "../lib/files.ts";
import { elementCount, formatShape, sameShape } from "../lib/shape.ts";
import type { ModelConfig } from "../model/config.ts";
import { configFromMetadata } from "../model/gguf-config.ts";
import { inventory, type TensorSpec } from "../model/inventory.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import { tokenizerJsonOf } from "../tokenizer/gguf-tokenizer.ts";
import type { TensorSource } from "./source.ts";

interface SlicedTensor extends StoredTensor {
  readonly byteOffset: number;
}

/** Opens a `deepseek4` GGUF under official names: expert e is a slice of its stack. */
export async function openGgufSource(path: string): Promise<TensorSource> {
  const file = await openForReading(path);
  try {
    const { metadata, entries } = await readGgufHeader(file);
    const config = configFromMetadata(metadata, path);
    return {
      location: path,
      layout: "gguf",
      config,
      metadata,
      tensors: officialTensors(entries, config, path),
      files: [path],
      read: (tensor, byteOffset, into) => readSlice(file, tensor as SlicedTensor, byteOffset, into),
      readSidecar: async (name) => (name === "tokenizer.json" ? tokenizerJsonOf(metadata) : undefined),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function officialTensors(
  entries: readonly GgufEntry[],
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
  const unknown = entries.find((entry) => !used.has(entry.name));
  if (unknown)
    throw dataError({ what: "unknown tensor in a deepseek4 GGUF", file: path, tensor: unknown.name });
  return tensors;
}

function sliceOf(entry: GgufEntry, spec: TensorSpec, config: ModelConfig, path: string): SlicedTensor {
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
    file: path,
    byteOffset: entry.byteOffset + byteLength * (spec.expert ?? 0),
  };
}

async function readSlice(
  file: ReadableFile,
  tensor: SlicedTensor,
  byteOffset: number,
  into: Uint8Array,
): Promise<void> {
  if (byteOffset < 0 || byteOffset + into.length > tensor.byteLength)
    throw new RangeError(
      `read of ${into.length} bytes at ${byteOffset} in ${tensor.name} (${tensor.byteLength} bytes)`,
    );
  await file.read(into, tensor.byteOffset + byteOffset);
}
