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
export const keep = (_key: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? { number: String(value) } : value;

export const revive = (_key: string, value: unknown): unknown =>
  typeof value === "object" &&
  value !== null &&
  "number" in value &&
  ["NaN", "Infinity", "-Infinity"].includes(value.number as string)
    ? Number(value.number)
    : value;

/** Opens or creates a log. The lines must fit in memory: logs hold a line per layer or tensor, never per token. */
export async function openAppendLog(path: string): Promise<AppendLog> {
  try {
    const handle = await open(path, "a+");
    return {
      lines: await readLines(handle, path).catch(async (error: unknown) => {
        await handle.close();
        throw error;
      }),
      async append(...added) {
        try {
          await handle.appendFile(added.map((line) => `${JSON.stringify(line, keep)}\n`).join(""));
          await handle.datasync();
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

async function readLines(handle: FileHandle, path: string): Promise<unknown[]> {
  const bytes = await handle.readFile();
  const complete = bytes.lastIndexOf(0x0a) + 1;
  const lines = bytes
    .subarray(0, complete)
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line, i): unknown => {
      try {
        return JSON.parse(line, revive);
      } catch {
        throw damaged(path, i + 1);
      }
    });
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
