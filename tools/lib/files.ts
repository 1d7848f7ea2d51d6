import { constants } from "node:fs";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { dataError, systemError } from "./errors.ts";
import { formatBytes } from "./units.ts";

/** A regular file open for positional reads. */
export interface ReadableFile {
  readonly path: string;
  readonly byteLength: number;
  /** Fills `into` from `position`; a file that ends earlier is an error. */
  read(into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a regular file (through symbolic links); a folder, FIFO, socket or device is refused before it can block. */
export async function openForReading(path: string): Promise<ReadableFile> {
  let handle: FileHandle;
  let byteLength: number;
  try {
    const facts = await stat(path);
    if (!facts.isFile())
      throw dataError({
        what: "not a regular file",
        file: path,
        found: facts.isDirectory() ? "a folder" : facts.isFIFO() ? "a FIFO" : "a special file",
      });
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    byteLength = (await handle.stat()).size;
  } catch (error) {
    throw systemError(error, path);
  }
  return {
    path,
    byteLength,
    read: (into, position) => readFully(handle, path, into, position),
    close: () => handle.close(),
  };
}

/** One read(2) returns at most 2^31 - 4096 bytes and may return fewer at any time; this loops until `into` is full. */
async function readFully(
  handle: FileHandle,
  path: string,
  into: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0;
  while (done < into.length) {
    let bytesRead: number;
    try {
      ({ bytesRead } = await handle.read(into, done, into.length - done, position + done));
    } catch (error) {
      throw systemError(error, path);
    }
    if (bytesRead === 0)
      throw dataError({
        what: "the file ends too early",
        file: path,
        offset: position + done,
        expected: `${into.length - done} more bytes`,
        next: "it is truncated, or it changed while being read: fetch it again",
      });
    done += bytesRead;
  }
}

/** Reads a small file whole, refusing one larger than `maxBytes`. */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const facts = await stat(path);
    if (!facts.isFile()) throw dataError({ what: "not a regular file", file: path });
    if (facts.size > maxBytes)
      throw dataError({
        what: "unreasonably large",
        file: path,
        expected: `at most ${formatBytes(maxBytes)}`,
        found: formatBytes(facts.size),
      });
    return await readFile(path);
  } catch (error) {
    throw systemError(error, path);
  }
}

/** As `readSmallFile`, or undefined where there is no such file. */
export async function readOptionalFile(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  try {
    return await readSmallFile(path, maxBytes);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const cause = (error as { cause?: { code?: string } }).cause;
  return cause?.code === "ENOENT";
}

/** Bytes that a path takes on disk: of a sparse file what was written; 0 where there is nothing, at least 1 where there is. */
export async function existingBytes(path: string): Promise<number> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw systemError(error, path);
  });
  return facts ? Math.max(1, 512 * facts.blocks) : 0;
}
