import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openAppendLog } from "../lib/append-log.ts";
import { makeFolder } from "../lib/disk.ts";
import { printable, systemError, V4Error } from "../lib/errors.ts";
import { lockOutput } from "../lib/output-lock.ts";

/** What a validation depends on; a run goes on only where all of it is the same. */
export type Fingerprint = Readonly<Record<string, string | number>>;

/**
 * The folder of a validation run. While it runs, it holds a journal (what the run depends on, then a line per finished
 * piece of work) and the streams between layers; in the end, the report alone.
 */
export interface RunFolder<Piece> {
  /** Where the streams between layers lie. */
  readonly work: string;
  /** The work that an earlier run of the same fingerprint has finished. */
  readonly finished: readonly Piece[];
  record(...pieces: Piece[]): Promise<void>;
  /** Removes the journal and the streams: the run is over, its report written. */
  complete(): Promise<void>;
  /** Leaves everything for a later run to go on from. */
  close(): Promise<void>;
}

export async function openRunFolder<Piece>(
  path: string,
  fingerprint: Fingerprint,
  restart: boolean,
): Promise<RunFolder<Piece>> {
  await makeFolder(path);
  const release = await lockOutput(join(path, "run"));
  const work = join(path, "unfinished");
  try {
    if (restart) await rm(work, { recursive: true, force: true });
    await makeFolder(work);
    const log = await openAppendLog(join(work, "journal.jsonl"));
    const [begun, ...finished] = log.lines as [Fingerprint?, ...Piece[]];
    if (begun) refuseOther(path, begun, fingerprint);
    else await log.append(fingerprint);
    const close = async (): Promise<void> => {
      await log.close();
      await release();
    };
    return {
      work,
      finished,
      record: (...pieces) => log.append(...pieces),
      async complete() {
        await rm(work, { recursive: true, force: true });
        await close();
      },
      close,
    };
  } catch (error) {
    await release();
    throw systemError(error, path);
  }
}

function refuseOther(path: string, begun: Fingerprint, now: Fingerprint): void {
  const key = [...new Set([...Object.keys(begun), ...Object.keys(now)])].find((k) => begun[k] !== now[k]);
  if (key === undefined) return;
  throw new V4Error("usage", {
    what: `an unfinished validation of something else lies here: ${key} differs`,
    file: path,
    expected: printable(String(begun[key] ?? "nothing"), 80),
    found: printable(String(now[key] ?? "nothing"), 80),
    next: "give --restart to begin anew, or another --out",
  });
}
