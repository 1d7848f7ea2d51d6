import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { dataError, inputError, systemError, V4Error } from "../../tools/lib/errors.ts";
import { MAX_RECORD_BYTES } from "../../tools/lib/limits.ts";
import { formatBytes } from "../../tools/lib/units.ts";

type Row = Readonly<Record<string, unknown>>;

/** The files of a dataset with one of the suffixes, sorted: a file itself, or all in a folder and the folders below. */
export async function datasetFiles(path: string, suffixes: readonly string[]): Promise<string[]> {
  try {
    if ((await stat(path)).isFile()) return [path];
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => !entry.isDirectory() && suffixes.some((suffix) => entry.name.endsWith(suffix)))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    if (files.length > 0) return files;
  } catch (error) {
    throw systemError(error, path);
  }
  throw inputError({ what: "no dataset here", file: path, expected: suffixes.join(" or ") });
}

/** SHA-256 over the contents of a dataset's files and their names in it, read as streams. */
export async function digestOfFiles(files: readonly string[], dataset: string): Promise<string> {
  const root = files[0] === dataset ? dirname(dataset) : dataset;
  const whole = createHash("sha256");
  for (const file of files) {
    const hash = createHash("sha256");
    try {
      for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    } catch (error) {
      throw systemError(error, file);
    }
    whole.update(`${relative(root, file)}\0${hash.digest("hex")}\n`);
  }
  return whole.digest("hex");
}

/** Rows of a Parquet file in order, one row group in memory at a time. */
export async function* parquetRows(path: string, columns: readonly string[]): AsyncGenerator<Row> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const known = metadata.schema.map(({ name }) => name);
    const missing = columns.filter((column) => !known.includes(column));
    if (missing.length > 0)
      throw dataError({
        what: `the table has no column ${missing.join(", ")}`,
        file: path,
        found: known.slice(1).join(", "),
      });
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      yield* await parquetReadObjects({
        file,
        metadata,
        compressors,
        columns: [...columns],
        rowStart,
        rowEnd,
      });
      rowStart = rowEnd;
    }
  } catch (error) {
    if (error instanceof V4Error) throw error;
    const known = systemError(error, path);
    throw known !== error
      ? known
      : dataError({ what: `not a Parquet file: ${(error as Error).message}`, file: path }, error);
  }
}

const [OPEN, CLOSE, QUOTE, BACKSLASH] = [...'{}"\\'].map((character) => character.charCodeAt(0));

/**
 * The objects of a JSON array or of JSON lines, one at a time: LongBench v2 is one array of 465 MB, more than a string of
 * Node can hold with room to spare.
 */
export async function* jsonRecords(path: string): AsyncGenerator<Row> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let depth = 0;
  let [inString, escaped] = [false, false];
  try {
    for await (const data of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      const chunk = data as Buffer;
      let from = depth > 0 ? 0 : -1;
      for (let i = 0; i < chunk.length; i++) {
        const byte = chunk[i];
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === BACKSLASH) escaped = true;
          else if (byte === QUOTE) inString = false;
        } else if (byte === QUOTE) inString = true;
        else if (byte === OPEN) {
          if (depth++ === 0) from = i;
        } else if (byte === CLOSE && --depth === 0) {
          yield parseRecord(Buffer.concat([...pending, chunk.subarray(from, i + 1)]), path);
          [pending, pendingBytes, from] = [[], 0, -1];
        }
      }
      if (depth > 0) {
        pending.push(chunk.subarray(from));
        pendingBytes += chunk.length - from;
        if (pendingBytes > MAX_RECORD_BYTES)
          throw dataError({
            what: "a record is unreasonably long",
            file: path,
            expected: `at most ${formatBytes(MAX_RECORD_BYTES)}`,
          });
      }
    }
  } catch (error) {
    throw systemError(error, path);
  }
  if (depth !== 0) throw dataError({ what: "the file ends inside a record", file: path });
}

function parseRecord(bytes: Buffer, file: string): Row {
  try {
    return JSON.parse(bytes.toString("utf8")) as Row;
  } catch (error) {
    throw dataError({ what: `not a JSON object: ${(error as Error).message}`, file }, error);
  }
}
