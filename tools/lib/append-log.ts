import { open } from "node:fs/promises";
import { systemError } from "./errors.ts";

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

/** Opens or creates a log. The lines must fit in memory: logs hold a line per layer or tensor, never per token. */
export async function openAppendLog(path: string): Promise<AppendLog> {
  try {
    const handle = await open(path, "a+");
    const bytes = await handle.readFile();
    const complete = bytes.lastIndexOf(0x0a) + 1;
    await handle.truncate(complete);
    const lines = bytes
      .subarray(0, complete)
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line, revive));
    return {
      lines,
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
