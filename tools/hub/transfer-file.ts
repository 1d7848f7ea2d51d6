import { crc32 } from "node:zlib";
import type { Piscina } from "piscina";
import { openUnfinished, removeFile, type UnfinishedFile } from "../lib/disk.ts";
import { MIN_SEGMENT_BYTES, SEGMENT_BYTES } from "../lib/limits.ts";
import { type Release, tryLockOutput } from "../lib/output-lock.ts";
import { frontierOf, gapsOf, lengthOf, type Ranges, type Span, withRange } from "./byte-ranges.ts";
import { contentKey } from "./content-key.ts";
import { type Destination, journalPath, partialPath } from "./destination.ts";
import { type CheckTask, GIVEN_UP, type HashTask } from "./hash-worker.ts";
import type { HttpClient } from "./http-client.ts";
import { openRangeJournal, type Piece, type RangeJournal } from "./range-journal.ts";
import type { RemoteFile } from "./repository.ts";

/** A file on its way: what of it is there, what is being fetched, and its hash as far as that is known. */
export interface FileTransfer {
  readonly file: RemoteFile;
  readonly path: string;
  /** Bytes that an earlier run left, read back and believed. */
  readonly keptBytes: number;
  /** What an earlier run had on record but the disk does not hold any more. */
  readonly damaged: readonly Span[];
  /** Of what else something lay here, in words. */
  readonly discarded?: string;
  /** The lowest range that nobody has taken, a fair share of what is left; undefined when all of the file is on its way. */
  take(connections: number): Span | undefined;
  /** Writes bytes and puts them on record. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Fills `into` with what the file holds. */
  read(into: Uint8Array, position: number): Promise<boolean>;
  isWhole(): boolean;
  /** The hash of a whole file; `again` when it has changed since. */
  digest(again?: boolean): Promise<string>;
  /** What is on record, in ascending order. */
  pieces(): Piece[];
  /** Pieces whose bytes are not those on record. */
  check(): Promise<Piece[]>;
  /** Syncs, closes, and gives the file its name. */
  complete(): Promise<void>;
  /** Closes; everything stays for the next run. */
  close(): Promise<void>;
  /** Closes and removes what was fetched. */
  discard(): Promise<void>;
}

export interface OpenTransferOptions {
  readonly client: HttpClient;
  readonly file: RemoteFile;
  readonly destination: Destination;
  readonly pool: Piscina;
  readonly signal: AbortSignal;
}

/** Opens the file for writing, or says which process is at it. */
export async function openTransfer({
  client,
  file,
  destination,
  pool,
  signal,
}: OpenTransferOptions): Promise<FileTransfer | { readonly holder: string }> {
  await destination.prepare(file);
  const unfinished = destination.unfinished(file);
  const release = await tryLockOutput(unfinished);
  if (typeof release !== "function") return release;
  let journal: RangeJournal | undefined;
  let output: UnfinishedFile | undefined;
  try {
    const path = partialPath(unfinished);
    journal = await openRangeJournal(journalPath(unfinished), {
      content: await contentKey(client, file, signal),
      byteLength: file.byteLength,
    });
    // What nothing is known of is written over.
    if (journal.found.length === 0) await removeFile(path);
    output = await openUnfinished(path);
    const damaged = journal.found.length > 0 ? await findDamage(pool, path, journal.found) : [];
    return transferOf({ file, destination, pool, journal, output, damaged, release, unfinished });
  } catch (error) {
    await journal?.close();
    await output?.close();
    await release();
    throw error;
  }
}

async function findDamage(pool: Piscina, path: string, pieces: readonly Piece[]): Promise<Piece[]> {
  const found = (await pool.run({ path, pieces } satisfies CheckTask, { name: "damaged" })) as number[];
  return found.map((i) => pieces[i]);
}

interface Parts {
  readonly file: RemoteFile;
  readonly destination: Destination;
  readonly pool: Piscina;
  readonly journal: RangeJournal;
  readonly output: UnfinishedFile;
  readonly damaged: readonly Piece[];
  readonly release: Release;
  readonly unfinished: string;
}

function transferOf({
  file,
  destination,
  pool,
  journal,
  output,
  damaged,
  release,
  unfinished,
}: Parts): FileTransfer {
  const { byteLength } = file;
  const pieces = new Map<number, Piece>();
  let there: Ranges = [];
  for (const piece of journal.found) {
    if (damaged.includes(piece)) continue;
    pieces.set(piece.start, piece);
    there = withRange(there, piece);
  }
  const keptBytes = lengthOf(there);
  const wanted = gapsOf(there, byteLength);
  const state = new BigInt64Array(new SharedArrayBuffer(8));
  const say = (ready: bigint): void => {
    Atomics.store(state, 0, ready);
    Atomics.notify(state, 0);
  };
  const startHash = async (): Promise<string | undefined> =>
    pool.run(
      {
        path: output.path,
        byteLength,
        algorithm: file.sha256 || !file.gitSha1 ? "sha256" : "git",
        progress: state.buffer as SharedArrayBuffer,
      } satisfies HashTask,
      { name: "hash" },
    ) as Promise<string | undefined>;
  say(BigInt(frontierOf(there)));
  let hashing = startHash();
  hashing.catch(() => {});
  const sorted = (): Piece[] => [...pieces.values()].sort((a, b) => a.start - b.start);
  const close = async (): Promise<void> => {
    say(GIVEN_UP);
    await hashing.catch(() => {});
    await journal.close();
    await output.close();
  };
  const remove = async (): Promise<void> => {
    await removeFile(output.path);
    await removeFile(journalPath(unfinished));
  };
  return {
    file,
    path: output.path,
    keptBytes,
    damaged,
    ...(journal.other && { discarded: journal.other.content }),
    take(connections) {
      const [gap] = wanted;
      if (!gap) return undefined;
      const share = Math.ceil(lengthOf(wanted) / connections);
      const end = Math.min(gap.end, gap.start + Math.max(MIN_SEGMENT_BYTES, Math.min(SEGMENT_BYTES, share)));
      if (end === gap.end) wanted.shift();
      else wanted[0] = { start: end, end: gap.end };
      return { start: gap.start, end };
    },
    async write(bytes, position) {
      const piece = { start: position, end: position + bytes.length, crc32: crc32(bytes) };
      await output.write(bytes, position);
      journal.record(piece);
      pieces.set(piece.start, piece);
      there = withRange(there, piece);
      say(BigInt(frontierOf(there)));
    },
    read: (into, position) => output.read(into, position),
    isWhole: () => lengthOf(there) === byteLength,
    async digest(again = false) {
      if (again) {
        hashing = startHash();
        hashing.catch(() => {});
      }
      return (await hashing) as string;
    },
    pieces: sorted,
    check: () => findDamage(pool, output.path, sorted()),
    async complete() {
      await journal.flush();
      await journal.close();
      await output.finish(byteLength);
      await destination.adopt(file, output.path);
      await release();
    },
    async close() {
      await close();
      // After a refusal there is nothing to go on with.
      if (pieces.size === 0 && byteLength > 0) await remove();
      await release();
    },
    async discard() {
      await close();
      await remove();
      await release();
    },
  };
}
