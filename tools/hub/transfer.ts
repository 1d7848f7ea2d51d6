import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import { Piscina } from "piscina";
import { MAX_UNHASHED_FILES } from "../lib/limits.ts";
import { distModule } from "../lib/package-root.ts";
import type { Span } from "./byte-ranges.ts";
import { type Destination, etagOf, partialPath } from "./destination.ts";
import type { RangeFetcher } from "./fetch-range.ts";
import type { HttpClient } from "./http-client.ts";
import { type Mended, verifyAndMend } from "./mend-file.ts";
import { createPieceWriter, pieceBuffers } from "./piece-writer.ts";
import type { RemoteFile } from "./repository.ts";
import { retrying } from "./retry.ts";
import { type FileTransfer, openTransfer } from "./transfer-file.ts";

/** What became of a file that had to be fetched. */
export interface TransferredFile {
  readonly file: RemoteFile;
  /** `elsewhere`: another process, which was at the same file, has brought it. `twin`: it came under another name. */
  readonly came: "fetched" | "elsewhere" | "twin";
  readonly fetchedBytes: number;
  readonly keptBytes: number;
  readonly mended: readonly Mended[];
}

/** Hears of a transfer as it goes. */
export interface TransferListener {
  /** A file's turn has come; `keptBytes` of it are there. */
  begun(file: RemoteFile, keptBytes: number): void;
  /** Bytes of a file that have been written. */
  fetched(file: RemoteFile, byteLength: number): void;
  done(file: RemoteFile): void;
  line(text: string): void;
}

export interface TransferOptions {
  readonly client: HttpClient;
  /** Where the bytes come from. */
  readonly fetchBytes: RangeFetcher;
  readonly destination: Destination;
  /** In the order in which they are fetched. */
  readonly files: readonly RemoteFile[];
  /** Requests at the same time. */
  readonly connections: number;
  readonly signal: AbortSignal;
  readonly listener: TransferListener;
}

/** How often a file that another process fetches is looked at. */
const LOOK_MS = 300;

/**
 * Fetches files by ranges, ascending: every connection takes the lowest range that nobody has, of the first file that
 * has one, so that a file's hash can follow closely and few files are unfinished at a time. A file that another process
 * is fetching comes last. What is written stays when this fails.
 */
export async function transferFiles(options: TransferOptions): Promise<TransferredFile[]> {
  const { client, fetchBytes, destination, connections, listener } = options;
  const failing = new AbortController();
  const signal = AbortSignal.any([options.signal, failing.signal]);
  // Every request listens.
  setMaxListeners(0, signal);
  const pool = new Piscina({
    filename: distModule("tools/hub/hash-worker"),
    minThreads: 1,
    maxThreads: MAX_UNHASHED_FILES,
  });
  const results: TransferredFile[] = [];
  const open = new Set<FileTransfer>();
  const fetching: FileTransfer[] = [];
  const finishing = new Set<Promise<void>>();
  const pending = [...options.files];
  const elsewhere: RemoteFile[] = [];
  const oneAtATime = pLimit(1);

  const finish = async (transfer: FileTransfer): Promise<void> => {
    const { file, keptBytes } = transfer;
    const { mended } = await verifyAndMend(transfer, { client, connections, signal, onLine: listener.line });
    await transfer.complete();
    open.delete(transfer);
    const atDisk = transfer.damaged.map(({ start, end }): Mended => ({ start, end, where: "disk" }));
    results.push({
      file,
      came: "fetched",
      fetchedBytes: file.byteLength - keptBytes,
      keptBytes,
      mended: [...atDisk, ...mended],
    });
    listener.done(file);
  };
  const whole = new Set<FileTransfer>();
  const finishSoon = (transfer: FileTransfer): void => {
    // Two connections may have seen the last byte arrive.
    if (whole.has(transfer)) return;
    whole.add(transfer);
    const task = finish(transfer)
      .catch((error: unknown) => failing.abort(error))
      .finally(() => finishing.delete(task));
    finishing.add(task);
  };

  /** Opens a file; false where another process has it. */
  const begin = async (file: RemoteFile, announced: boolean): Promise<boolean> => {
    // The same content under another name comes with that one.
    const path = partialPath(destination.unfinished(file));
    if ([...open].some((transfer) => transfer.path === path)) return false;
    const transfer = await openTransfer({ client, file, destination, pool, signal });
    if ("holder" in transfer) {
      if (!announced) listener.line(`waiting for ${transfer.holder}, which is fetching ${file.name}`);
      return false;
    }
    open.add(transfer);
    // Another process, or another name of the same content, may have brought it in the meantime.
    if ((await destination.holds(file)) || (await destination.holdsContent(file))) {
      open.delete(transfer);
      await transfer.discard();
      await destination.adopt(file, undefined);
      const etag = etagOf(file);
      const isTwin = etag !== undefined && results.some((result) => etagOf(result.file) === etag);
      results.push({ file, came: isTwin ? "twin" : "elsewhere", fetchedBytes: 0, keptBytes: 0, mended: [] });
      listener.done(file);
      return true;
    }
    for (const { start, end } of transfer.damaged)
      listener.line(
        `${file.name}: bytes ${start} to ${end} on the disk are not what was written: fetching them again`,
      );
    if (transfer.discarded !== undefined)
      listener.line(
        `${file.name}: what was fetched belongs to other content (${transfer.discarded}): begun anew`,
      );
    listener.begun(file, transfer.keptBytes);
    if (transfer.isWhole()) finishSoon(transfer);
    else fetching.push(transfer);
    return true;
  };

  const next = async (): Promise<{ transfer: FileTransfer; span: Span } | undefined> => {
    for (;;) {
      signal.throwIfAborted();
      for (; fetching.length > 0; fetching.shift()) {
        const span = fetching[0].take(connections);
        if (span) return { transfer: fetching[0], span };
      }
      while (finishing.size >= MAX_UNHASHED_FILES) await Promise.race(finishing);
      const file = pending.shift();
      if (file) {
        if (!(await begin(file, false))) elsewhere.push(file);
      } else {
        const waited = elsewhere.shift();
        if (!waited) return undefined;
        if (await begin(waited, true)) continue;
        elsewhere.push(waited);
        await sleep(LOOK_MS, undefined, { signal });
      }
    }
  };

  const connection = async (): Promise<void> => {
    const buffers = pieceBuffers();
    for (;;) {
      const job = await oneAtATime(next);
      if (!job) return;
      const { transfer, span } = job;
      await fetchSpan(transfer, span, buffers);
      if (transfer.isWhole()) finishSoon(transfer);
    }
  };

  const fetchSpan = async (
    transfer: FileTransfer,
    span: Span,
    buffers: readonly [Uint8Array, Uint8Array],
  ): Promise<void> => {
    let { start } = span;
    const writer = createPieceWriter({
      start,
      buffers,
      async write(piece, position) {
        await transfer.write(piece, position);
        listener.fetched(transfer.file, piece.length);
      },
    });
    try {
      await retrying(
        (progressed) =>
          fetchBytes(transfer.file, { start, end: span.end, signal }, (bytes) => {
            start += bytes.length;
            progressed();
            return writer.add(bytes);
          }),
        { what: transfer.file.name, signal, onRetry: listener.line },
      );
    } finally {
      await writer.flush();
    }
  };

  try {
    await Promise.all(
      Array.from({ length: connections }, () =>
        connection().catch((error: unknown) => {
          failing.abort(error);
        }),
      ),
    );
    await Promise.all(finishing);
    signal.throwIfAborted();
    return results;
  } finally {
    await Promise.all([...open].map((transfer) => transfer.close()));
    await pool.destroy();
  }
}
