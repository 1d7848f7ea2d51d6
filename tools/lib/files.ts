import { constants } from "node:fs";
import { type FileHandle, open, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
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

/** A file of a source: its size, and its SHA-256 where that is known without reading it. */
export interface FileFacts {
  readonly byteLength: number;
  readonly sha256?: string;
  readonly mtimeMs: number;
}

/** A folder of files read by position, on this machine or elsewhere. */
export interface SourceFolder {
  /** What the user named, for messages and provenance. */
  readonly location: string;
  /** The commit of the repository that it is. */
  readonly commit?: string;
  /** Whether `pathOf` is a path on this machine. */
  readonly isLocal: boolean;
  /** How messages call a file. */
  pathOf(name: string): string;
  /** Files and folders in it, sorted. */
  names(): Promise<readonly string[]>;
  has(name: string): Promise<boolean>;
  open(name: string): Promise<ReadableFile>;
  /** A small file whole, or undefined where there is none; one larger than `maxBytes` is refused. */
  readOptional(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
  facts(name: string): Promise<FileFacts>;
  close(): Promise<void>;
}

/** Bytes of a file of a folder that will be read. */
export interface PlannedRead {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** A folder on this machine; in the Hugging Face cache its links say the SHA-256 of its shards, and its place the commit. */
export function localFolder(path: string): SourceFolder {
  const pathOf = (name: string): string => join(path, name);
  const commit = /[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]?$/.exec(path)?.[1];
  return {
    location: path,
    ...(commit && { commit }),
    isLocal: true,
    pathOf,
    names: async () => (await readdir(path)).sort(),
    has: (name) => stat(pathOf(name)).then(isThere, isNotThere),
    open: (name) => openForReading(pathOf(name)),
    readOptional: (name, maxBytes) => readOptionalFile(pathOf(name), maxBytes),
    facts: (name) => localFacts(pathOf(name)),
    close: async () => {},
  };
}

const isThere = (): boolean => true;
const isNotThere = (): boolean => false;

async function localFacts(path: string): Promise<FileFacts> {
  try {
    const { size, mtimeMs } = await stat(path);
    const blob = basename(await realpath(path));
    const sha256 = /^[0-9a-f]{64}$/.test(blob) && blob !== basename(path) ? blob : undefined;
    return { byteLength: size, ...(sha256 && { sha256 }), mtimeMs };
  } catch (error) {
    throw systemError(error, path);
  }
}
