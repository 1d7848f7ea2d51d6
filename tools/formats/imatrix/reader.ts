import { createHash } from "node:crypto";
import { dataError } from "../../lib/errors.ts";
import { openForReading, type ReadableFile } from "../../lib/files.ts";
import { HASH_BYTES } from "../../lib/limits.ts";
import type { ImportanceEntry, ImportanceIndex, StoredImportance } from "./importance-index.ts";
import { readDatIndex } from "./read-dat-index.ts";
import { readGgufIndex } from "./read-gguf-index.ts";

export type { ImportanceEntry } from "./importance-index.ts";

/** Mean squared activations per input column, as llama.cpp's importance files hold them; numbers are read on demand. */
export interface ImportanceFile extends Omit<ImportanceIndex, "entries"> {
  readonly path: string;
  /** Of the whole file, in hexadecimal. */
  readonly sha256: string;
  /** By GGUF tensor name with its suffix, e.g. `blk.3.ffn_gate_exps.weight`. */
  readonly entries: ReadonlyMap<string, ImportanceEntry>;
  /**
   * Fills `into` (one value per column) with the mean squared activation of every column for matrix `matrix` of a
   * tensor: the file's sum over its count, rounded to f32 once. Returns false where the file counted no token for the
   * matrix; the values are then all 1. Refuses an entry without such a vector (`importanceFits` asks before), a count
   * and a mean that is negative or not finite; `into` is then undefined.
   */
  read(name: string, matrix: number, into: Float32Array): Promise<boolean>;
  close(): Promise<void>;
}

/** Whether the entry has `matrices` vectors of `columns` values: as such, or one after the other in a single one. */
export function importanceFits(entry: ImportanceEntry, { columns, matrices }: ImportanceEntry): boolean {
  return (
    (entry.columns === columns && entry.matrices === matrices) ||
    (entry.matrices === 1 && entry.columns === columns * matrices)
  );
}

/**
 * Opens an importance file: a GGUF of general.type imatrix, or the legacy format; its first bytes say which, its name
 * does not matter. Headers are checked and kept, the file is hashed once, and no number is held.
 */
export async function openImportance(path: string): Promise<ImportanceFile> {
  const file = await openForReading(path);
  try {
    const { entries, ...facts } = (await isGguf(file)) ? await readGgufIndex(file) : await readDatIndex(file);
    return {
      path,
      sha256: await hashOf(file),
      ...facts,
      entries,
      async read(name, matrix, into) {
        const entry = entries.get(name);
        if (!entry)
          throw dataError({ what: "the importance file has no such entry", file: path, tensor: name });
        return readMeans(file, { name, matrix, entry }, into);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function isGguf(file: ReadableFile): Promise<boolean> {
  if (file.byteLength < 4)
    throw dataError({
      what: "too short for an importance file",
      file: file.path,
      found: `${file.byteLength} bytes`,
    });
  const magic = new Uint8Array(4);
  await file.read(magic, 0);
  return Buffer.from(magic).toString("latin1") === "GGUF";
}

async function hashOf(file: ReadableFile): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(Math.min(HASH_BYTES, file.byteLength));
  for (let position = 0; position < file.byteLength; position += buffer.length) {
    const bytes = buffer.subarray(0, file.byteLength - position);
    await file.read(bytes, position);
    hash.update(bytes);
  }
  return hash.digest("hex");
}

interface Wanted {
  readonly name: string;
  readonly matrix: number;
  readonly entry: StoredImportance;
}

async function readMeans(
  file: ReadableFile,
  { name, matrix, entry }: Wanted,
  into: Float32Array,
): Promise<boolean> {
  const { columns, matrices, sumsOffset } = entry;
  const vectors = matrices === 1 ? Math.floor(columns / into.length) : matrices;
  if (
    !importanceFits(entry, { columns: into.length, matrices: vectors }) ||
    !(matrix >= 0 && matrix < vectors)
  )
    throw dataError({
      what: `the importance does not fit the tensor: no vector ${matrix} of ${into.length} columns`,
      file: file.path,
      tensor: name,
      found: `${matrices} of ${columns}`,
    });
  const count = await readCount(file, { name, matrix, entry });
  if (count === 0) {
    into.fill(1);
    return false;
  }
  const byteOffset = sumsOffset + 4 * matrix * into.length;
  await file.read(new Uint8Array(into.buffer, into.byteOffset, into.byteLength), byteOffset);
  for (let c = 0; c < into.length; c++) {
    const sum = into[c];
    into[c] = sum / count;
    // The sum, because the mean of the smallest negative one is -0.
    if (!(sum >= 0 && into[c] < Number.POSITIVE_INFINITY))
      throw dataError({
        what: `the importance of matrix ${matrix}, column ${c} is negative or not finite`,
        file: file.path,
        tensor: name,
        offset: byteOffset + 4 * c,
        found: `${sum} over a count of ${count}`,
      });
  }
  return true;
}

async function readCount(file: ReadableFile, { name, matrix, entry }: Wanted): Promise<number> {
  if (typeof entry.count === "number") return entry.count;
  // A single count stands for all vectors of a stack.
  const offset = entry.count.byteOffset + (entry.matrices === 1 ? 0 : 4 * matrix);
  const value = new Float32Array(1);
  await file.read(new Uint8Array(value.buffer), offset);
  if (!(value[0] >= 0 && value[0] < Number.POSITIVE_INFINITY))
    throw dataError({
      what: `the count of matrix ${matrix} is negative or not finite`,
      file: file.path,
      tensor: name,
      offset,
      found: String(value[0]),
    });
  return value[0];
}
