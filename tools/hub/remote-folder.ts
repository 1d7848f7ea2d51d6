import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { dataError, inputError, type V4Error } from "../lib/errors.ts";
import { localFolder, type ReadableFile, type SourceFolder } from "../lib/files.ts";
import { SPECULATIVE_HEADER_BYTES } from "../lib/limits.ts";
import { formatBytes } from "../lib/units.ts";
import type { HttpClient } from "./http-client.ts";
import { type ReadOptions, readRange } from "./read-range.ts";
import type { RemoteFile, Repository } from "./repository.ts";

/**
 * A repository as a folder: small files come whole and are compared with the hashes of the listing, all others by ranges.
 * The client stays the caller's.
 */
export function openRemoteFolder(
  client: HttpClient,
  repository: Repository,
  options: ReadOptions = {},
): SourceFolder {
  const files = new Map(repository.files.map((file) => [file.name, file]));
  const isLocal = repository.files.every(({ url }) => url.startsWith("file:"));
  const pathOf = (name: string): string => {
    const url = isLocal ? files.get(name)?.url : undefined;
    return url ? fileURLToPath(url) : `${repository.location.replace(/\/$/, "")}/${name}`;
  };
  const fileOf = (name: string): RemoteFile => {
    const file = files.get(name);
    if (!file) throw inputError({ what: "no such file in the repository", file: pathOf(name) });
    return file;
  };
  const read: RangeReader = async (file, into, position) => {
    const end = position + into.length;
    if (end > file.byteLength) throw endsEarly(pathOf(file.name), file.byteLength, end);
    await readRange(client, file, { start: position, end, ...options }, (bytes, at) => {
      into.set(bytes, at - position);
    });
  };
  return {
    location: repository.location,
    ...(repository.commit && { commit: repository.commit }),
    isLocal,
    pathOf,
    names: async () => [...new Set([...files.keys()].map((name) => name.split("/")[0]))].sort(),
    has: async (name) => files.has(name),
    open: async (name) => openRemoteFile(read, fileOf(name), pathOf(name)),
    async readOptional(name, maxBytes) {
      const file = files.get(name);
      return file && readSmallRemote(read, { file, path: pathOf(name), maxBytes });
    },
    async facts(name) {
      const { byteLength, sha256 } = fileOf(name);
      if (isLocal && !sha256) return localFolder(dirname(pathOf(name))).facts(basename(name));
      return { byteLength, ...(sha256 && { sha256 }), mtimeMs: 0 };
    },
    close: async () => {},
  };
}

/** Fills `into` from `position`. */
type RangeReader = (file: RemoteFile, into: Uint8Array, position: number) => Promise<void>;

/** A shard's header is most often shorter than what is asked for first, so it takes one request, and never more than two. */
function openRemoteFile(read: RangeReader, file: RemoteFile, path: string): ReadableFile {
  const { byteLength } = file;
  let head: Promise<Uint8Array> | undefined;
  const fetchHead = async (): Promise<Uint8Array> => {
    const bytes = new Uint8Array(Math.min(SPECULATIVE_HEADER_BYTES, byteLength));
    await read(file, bytes, 0);
    return bytes;
  };
  let opening = true;
  return {
    path,
    byteLength,
    async read(into, position) {
      if (!opening || position >= SPECULATIVE_HEADER_BYTES) return read(file, into, position);
      head ??= fetchHead();
      const bytes = (await head).subarray(position, position + into.length);
      into.set(bytes);
      if (bytes.length < into.length) await read(file, into.subarray(bytes.length), position + bytes.length);
      // Whoever reads more than a length has read the header: what was kept for that has served.
      if (into.length > 8) [opening, head] = [false, undefined];
    },
    async close() {
      head = undefined;
    },
  };
}

interface SmallRead {
  readonly file: RemoteFile;
  readonly path: string;
  readonly maxBytes: number;
}

async function readSmallRemote(read: RangeReader, { file, path, maxBytes }: SmallRead): Promise<Uint8Array> {
  const { byteLength, sha256, gitSha1 } = file;
  if (byteLength > maxBytes)
    throw dataError({
      what: "unreasonably large",
      file: path,
      expected: `at most ${formatBytes(maxBytes)}`,
      found: formatBytes(byteLength),
    });
  const bytes = new Uint8Array(byteLength);
  if (byteLength > 0) await read(file, bytes, 0);
  // Git hashes a blob with its length before it.
  const [expected, found] = sha256
    ? [sha256, createHash("sha256").update(bytes).digest("hex")]
    : [gitSha1, createHash("sha1").update(`blob ${byteLength}\0`).update(bytes).digest("hex")];
  if (expected && expected !== found)
    throw dataError({
      what: "the file does not have the hash that the repository lists",
      file: path,
      expected,
      found,
      next: "fetch it again",
    });
  return bytes;
}

const endsEarly = (file: string, byteLength: number, end: number): V4Error =>
  dataError({
    what: "the file ends too early",
    file,
    offset: byteLength,
    expected: `${end - byteLength} more bytes`,
  });
