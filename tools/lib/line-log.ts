import { type FileHandle, open } from "node:fs/promises";
import { keep, revive } from "./append-log.ts";
import { dataError, systemError, type V4Error } from "./errors.ts";
import { LINE_READ_BYTES, MAX_LOG_LINE_BYTES } from "./limits.ts";

/** Where a line lies in its file. */
export interface LinePlace {
  readonly position: number;
  readonly byteLength: number;
}

/**
 * A file of JSON lines that only grows, of any length: no line stays in memory. A line counts once it is synced; a torn
 * last line, left by a run that died, is cut off when the log is opened again.
 */
export interface LineLog {
  /** Adds a line. Resolves once it is synced; lines that come while a sync is under way share the next one. */
  append(line: unknown): Promise<LinePlace>;
  read(place: LinePlace): Promise<unknown>;
  close(): Promise<void>;
}

export interface LineLogOptions {
  /** Hears of every line that is there, in order. What it throws is thrown by the opening. */
  readonly onLine: (line: unknown, place: LinePlace) => void;
  /** What a reader of the error should do about a log that is not ours, or damaged. */
  readonly next: string;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly place: LinePlace;
  readonly resolve: (place: LinePlace) => void;
  readonly reject: (error: unknown) => void;
}

export async function openLineLog(path: string, options: LineLogOptions): Promise<LineLog> {
  let handle: FileHandle;
  try {
    handle = await open(path, "a+");
  } catch (error) {
    throw systemError(error, path);
  }
  let end: number;
  try {
    end = await scan(handle, path, options);
    if ((await handle.stat()).size > end) await handle.truncate(end);
  } catch (error) {
    await handle.close();
    throw systemError(error, path);
  }
  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;
  // Half a line may lie at the end then: nothing can be added after it.
  let failure: unknown;

  const writeWaiting = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        if (failure !== undefined) throw failure;
        await handle.appendFile(Buffer.concat(batch.map(({ bytes }) => bytes)));
        await handle.datasync();
        for (const { resolve, place } of batch) resolve(place);
      } catch (error) {
        failure = systemError(error, path);
        for (const { reject } of batch) reject(failure);
      }
    }
    writing = undefined;
  };

  return {
    append(line) {
      const bytes = Buffer.from(`${JSON.stringify(line, keep)}\n`);
      const place = { position: end, byteLength: bytes.length };
      end += bytes.length;
      return new Promise((resolve, reject) => {
        waiting.push({ bytes, place, resolve, reject });
        writing ??= writeWaiting();
      });
    },
    async read({ position, byteLength }) {
      const bytes = Buffer.alloc(byteLength);
      const { bytesRead } = await handle.read(bytes, 0, byteLength, position);
      return parse(bytes.subarray(0, bytesRead), () =>
        damagedLog(path, `the line at byte ${position}`, options.next),
      );
    },
    async close() {
      await writing;
      await handle.close();
    },
  };
}

function parse(bytes: Buffer, error: () => V4Error): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"), revive);
  } catch {
    throw error();
  }
}

/** Reads all complete lines a piece at a time; returns where the last of them ends. */
async function scan(handle: FileHandle, path: string, { onLine, next }: LineLogOptions): Promise<number> {
  const piece = Buffer.alloc(LINE_READ_BYTES);
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let position = 0;
  let lineStart = 0;
  let number = 0;
  for (;;) {
    const { bytesRead } = await handle.read(piece, 0, piece.length, position);
    if (bytesRead === 0) return lineStart;
    let from = 0;
    for (let at = piece.indexOf(0x0a); at >= 0 && at < bytesRead; at = piece.indexOf(0x0a, from)) {
      number++;
      const line = Buffer.concat([...begun, piece.subarray(from, at)]);
      const byteLength = line.length + 1;
      const where = `line ${number}`;
      if (line.length > 0)
        onLine(
          parse(line, () => damagedLog(path, where, next)),
          { position: lineStart, byteLength },
        );
      lineStart += byteLength;
      from = at + 1;
      begun = [];
      begunBytes = 0;
    }
    begun.push(Buffer.from(piece.subarray(from, bytesRead)));
    begunBytes += bytesRead - from;
    if (begunBytes > MAX_LOG_LINE_BYTES) throw damagedLog(path, `line ${number + 1}`, next);
    position += bytesRead;
  }
}

/** Not what a crash leaves: nothing in the log is to be trusted. */
export const damagedLog = (path: string, where: string, next: string): V4Error =>
  dataError({ what: `${where} is not what v4kit writes`, file: path, next: `the log is damaged: ${next}` });
