import { type FileHandle, open } from "node:fs/promises";
import { dataError, systemError, type V4Error } from "./errors.ts";

/**
 * A file of JSON lines that only grows. A line counts once it is synced; a torn last line, left by a run that died, is
 * cut off when the log is opened again.
 */
export interface AppendLog {
  /** The complete lines that were there. */
  readonly lines: readonly unknown[];
  /** Adds lines and syncs. */
  append(...lines: unknown[]): Promise<void>;
  close(): Promise<void>;
}

/** JSON has no NaN and no infinities, and would write null: they are kept as `{"number": "NaN"}`. */
const keep = (_key: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? { number: String(value) } : value;

const revive = (_key: string, value: unknown): unknown =>
  typeof value === "object" &&
  value !== null &&
  "number" in value &&
  ["NaN", "Infinity", "-Infinity"].includes(value.number as string)
    ? Number(value.number)
    : value;

export interface AppendLogOptions {
  /**
   * The reader checks every line against what it describes. Then lines need no sync, and what a power cut made of them
   * ends the log instead of condemning it.
   */
  readonly doubted?: boolean;
}

/** Opens or creates a log. The lines must fit in memory: logs hold a line per layer or tensor, never per token. */
export async function openAppendLog(path: string, options: AppendLogOptions = {}): Promise<AppendLog> {
  try {
    const handle = await open(path, "a+");
    return {
      lines: await readLines(handle, path, options.doubted ?? false).catch(async (error: unknown) => {
        await handle.close();
        throw error;
      }),
      async append(...added) {
        try {
          await handle.appendFile(added.map((line) => `${JSON.stringify(line, keep)}\n`).join(""));
          if (!options.doubted) await handle.datasync();
        } catch (error) {
          throw systemError(error, path);
        }
      },
      close: () => handle.close(),
    };
  } catch (error) {
    throw systemError(error, path);
  }
}

async function readLines(handle: FileHandle, path: string, doubted: boolean): Promise<unknown[]> {
  const bytes = await handle.readFile();
  const lines: unknown[] = [];
  let complete = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, complete)) {
    const text = bytes.subarray(complete, end).toString("utf8");
    try {
      if (text !== "") lines.push(JSON.parse(text, revive));
    } catch {
      if (doubted) break;
      throw damaged(path, lines.length + 1);
    }
    complete = end + 1;
  }
  if (complete < bytes.length) await handle.truncate(complete);
  return lines;
}

/** Not what a crash leaves: nothing in the log is to be trusted. */
export const damaged = (path: string, line: number): V4Error =>
  dataError({
    what: `line ${line} is not what v4kit writes`,
    file: path,
    next: "the log is damaged: give --restart to begin anew",
  });
