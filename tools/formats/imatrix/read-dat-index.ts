import { dataError } from "../../lib/errors.ts";
import type { ReadableFile } from "../../lib/files.ts";
import { MAX_GGUF_NAME_BYTES, MAX_IMATRIX_DATASET_BYTES, MAX_IMATRIX_ENTRIES } from "../../lib/limits.ts";
import type { ImportanceIndex, StoredImportance } from "./importance-index.ts";

/**
 * The index of a legacy importance file, which has none: its entries are walked, their values skipped.
 *
 *     i32 entries | entries x { i32 length, name | i32 calls | i32 values, f32 values }
 *     optional: i32 chunks | i32 length, dataset
 *
 * Values are sums over calls. Vectors of a stack follow each other; an expert that saw no token has ones.
 */
export async function readDatIndex(file: ReadableFile): Promise<ImportanceIndex> {
  const count = (await readWindow(file, 0, 4)).getInt32(0, true);
  if (count < 1 || count > MAX_IMATRIX_ENTRIES)
    throw dataError({
      what: "not an importance file",
      file: file.path,
      offset: 0,
      expected: `GGUF, or a number of entries from 1 to ${MAX_IMATRIX_ENTRIES}`,
      found: String(count),
    });
  const entries = new Map<string, StoredImportance>();
  let position = 4;
  for (let i = 0; i < count; i++) {
    const { name, end, ...entry } = await readEntry(file, position);
    if (entries.has(name))
      throw dataError({
        what: "the entry appears twice",
        file: file.path,
        tensor: name,
        offset: position,
      });
    entries.set(name, entry);
    position = end;
  }
  return { format: "dat", ...(await readTrailer(file, position)), entries };
}

interface WalkedEntry extends StoredImportance {
  readonly name: string;
  /** Where the next entry begins. */
  readonly end: number;
}

async function readEntry(file: ReadableFile, position: number): Promise<WalkedEntry> {
  const { path, byteLength } = file;
  // One read for the whole head: a name that long, and the numbers around it.
  const head = await readWindow(file, position, 4 + MAX_GGUF_NAME_BYTES + 8);
  const nameBytes = int32At(head, 0, file, position);
  if (nameBytes < 1 || nameBytes > MAX_GGUF_NAME_BYTES)
    throw dataError({
      what: "unreasonable length of an entry's name",
      file: path,
      offset: position,
      expected: `1 to ${MAX_GGUF_NAME_BYTES}`,
      found: String(nameBytes),
      next: "this is not an importance file, or it is damaged",
    });
  const calls = int32At(head, 4 + nameBytes, file, position);
  const columns = int32At(head, 8 + nameBytes, file, position);
  const name = decodeName(head, nameBytes, path, position);
  if (calls < 0)
    throw dataError({
      what: "the number of calls is negative",
      file: path,
      tensor: name,
      found: String(calls),
    });
  const sumsOffset = position + 12 + nameBytes;
  const end = sumsOffset + 4 * columns;
  if (columns < 1)
    throw dataError({
      what: "wrong number of values",
      file: path,
      tensor: name,
      expected: "at least 1",
      found: String(columns),
    });
  if (end > byteLength)
    throw dataError({
      what: "the values go beyond the end of the file",
      file: path,
      tensor: name,
      expected: `${columns} values`,
      found: `room for ${Math.floor((byteLength - sumsOffset) / 4)}`,
      next: "the file is truncated: fetch it again",
    });
  return { name, columns, matrices: 1, sumsOffset, count: calls, end };
}

async function readTrailer(
  file: ReadableFile,
  position: number,
): Promise<Pick<ImportanceIndex, "datasets" | "chunks">> {
  const { path, byteLength } = file;
  if (position === byteLength) return { datasets: [] };
  const tail = await readWindow(file, position, 8 + MAX_IMATRIX_DATASET_BYTES);
  const chunks = int32At(tail, 0, file, position);
  const length = int32At(tail, 4, file, position);
  if (chunks < 0 || length < 0 || position + 8 + length !== byteLength)
    throw dataError({
      what: "what follows the last entry is no chunk count and dataset that end with the file",
      file: path,
      offset: position,
      found: `${chunks} chunks, a dataset of ${length} of ${byteLength - position - 8} bytes`,
    });
  if (length > MAX_IMATRIX_DATASET_BYTES)
    throw dataError({
      what: "unreasonable length of the dataset's name",
      file: path,
      offset: position + 4,
      expected: `at most ${MAX_IMATRIX_DATASET_BYTES}`,
      found: String(length),
    });
  const dataset = new TextDecoder().decode(new Uint8Array(tail.buffer, 8, length));
  return { chunks, datasets: dataset === "" ? [] : [dataset] };
}

/** Up to `maxBytes` from a position; fewer where the file ends. */
async function readWindow(file: ReadableFile, position: number, maxBytes: number): Promise<DataView> {
  const bytes = new Uint8Array(Math.min(maxBytes, Math.max(0, file.byteLength - position)));
  await file.read(bytes, position);
  return new DataView(bytes.buffer);
}

function int32At(window: DataView, at: number, file: ReadableFile, position: number): number {
  if (at + 4 > window.byteLength)
    throw dataError({
      what: "the file ends inside an entry",
      file: file.path,
      offset: position,
      found: `${file.byteLength} bytes in the file`,
      next: "the file is truncated: fetch it again",
    });
  return window.getInt32(at, true);
}

function decodeName(head: DataView, length: number, file: string, position: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      new Uint8Array(head.buffer, 4, length),
    );
  } catch (error) {
    throw dataError({ what: "an entry's name is not valid UTF-8", file, offset: position + 4 }, error);
  }
}
