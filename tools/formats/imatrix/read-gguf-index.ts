import { dataError } from "../../lib/errors.ts";
import type { ReadableFile } from "../../lib/files.ts";
import { formatShape } from "../../lib/shape.ts";
import { type GgufEntry, readGgufHeader } from "../gguf/reader.ts";
import type { GgufMetadata } from "../gguf/values.ts";
import type { ImportanceIndex, StoredImportance } from "./importance-index.ts";

const SUMS = ".in_sum2";
const COUNTS = ".counts";

/**
 * The index of an importance GGUF: for every weight `W` two F32 tensors, `W.in_sum2` with ne [columns, matrices] and
 * `W.counts` with ne [1, matrices]. Other tensors (`.in_sum`, `.stats`) are statistics that no encoder uses.
 */
export async function readGgufIndex(file: ReadableFile): Promise<ImportanceIndex> {
  const { path } = file;
  const { metadata, entries: tensors } = await readGgufHeader(file);
  const type = metadata.get("general.type")?.value;
  if (type !== "imatrix")
    throw dataError({
      what: "not an importance file",
      file: path,
      expected: "general.type imatrix",
      found: type === undefined ? "none" : String(type),
    });
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const entries = new Map<string, StoredImportance>();
  for (const tensor of tensors) {
    if (tensor.name.endsWith(COUNTS)) partnerOf(tensor, COUNTS, SUMS, byName, path);
    if (!tensor.name.endsWith(SUMS)) continue;
    const counts = partnerOf(tensor, SUMS, COUNTS, byName, path);
    entries.set(tensor.name.slice(0, -SUMS.length), pair(tensor, counts, path));
  }
  if (entries.size === 0) throw dataError({ what: "the importance file has no entries", file: path });
  return { format: "gguf", datasets: datasetsOf(metadata, path), ...chunksOf(metadata, path), entries };
}

function partnerOf(
  { name }: GgufEntry,
  own: string,
  other: string,
  byName: ReadonlyMap<string, GgufEntry>,
  file: string,
): GgufEntry {
  const wanted = `${name.slice(0, -own.length)}${other}`;
  const partner = byName.get(wanted);
  if (!partner)
    throw dataError({ what: "sums and counts must come in pairs", file, tensor: name, expected: wanted });
  return partner;
}

function pair(sums: GgufEntry, counts: GgufEntry, file: string): StoredImportance {
  for (const { name, dtype } of [sums, counts])
    if (dtype !== "f32")
      throw dataError({
        what: "wrong type of an importance tensor",
        file,
        tensor: name,
        expected: "f32",
        found: dtype,
      });
  const [columns, matrices] = twoDimensions(sums, file);
  const [one, counted] = twoDimensions(counts, file);
  if (one !== 1 || counted !== matrices)
    throw dataError({
      what: "the counts do not fit the sums",
      file,
      tensor: counts.name,
      expected: formatShape([1, matrices]),
      found: formatShape(counts.ne),
    });
  return { columns, matrices, sumsOffset: sums.byteOffset, count: { byteOffset: counts.byteOffset } };
}

/** ggml does not write trailing dimensions of 1. */
function twoDimensions({ name, ne }: GgufEntry, file: string): [number, number] {
  const [first, second = 1, ...rest] = ne;
  if (first < 1 || second < 1 || rest.some((dimension) => dimension !== 1))
    throw dataError({
      what: "wrong shape of an importance tensor",
      file,
      tensor: name,
      expected: "[columns, matrices]",
      found: formatShape(ne),
    });
  return [first, second];
}

function datasetsOf(metadata: GgufMetadata, file: string): readonly string[] {
  const stated = metadata.get("imatrix.datasets");
  if (stated === undefined) return [];
  if (stated.type !== "array" || stated.of !== "string")
    throw dataError({ what: "imatrix.datasets is not an array of strings", file });
  return stated.value as readonly string[];
}

function chunksOf(metadata: GgufMetadata, file: string): { readonly chunks?: number } {
  const stated = metadata.get("imatrix.chunk_count");
  if (stated === undefined) return {};
  if (stated.type !== "u32")
    throw dataError({
      what: "wrong type of imatrix.chunk_count",
      file,
      expected: "u32",
      found: stated.type,
    });
  return { chunks: stated.value as number };
}
