import { rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type AppendLog, damaged, openAppendLog } from "../lib/append-log.ts";
import { printable, V4Error } from "../lib/errors.ts";
import type { RowsStats } from "./rows-task.ts";

/** What a conversion depends on: it is continued only where all of it is the same. */
export type JournalHead = Readonly<Record<"v4kit" | "plan" | "source" | "encoders" | "importance", string>>;

/** A finished piece: what is in the files, and how it came about. */
export interface PieceRecord extends RowsStats {
  readonly piece: number;
  /** CRC-32 of what each stored tensor got. */
  readonly out: readonly number[];
  /** CRC-32 of each source's weight and scale. */
  readonly in: readonly (readonly number[])[];
  readonly global?: number;
  readonly unmeasured?: boolean;
  /** Its source was read by ranges from elsewhere: from a Hub, which says whose they are, or from another server. */
  readonly streamed?: "hub" | "other";
  readonly workedMs: number;
}

/** The journal of a conversion in its sidecar folder. Records are synced in batches. */
export interface Journal {
  /** Pieces that earlier runs finished, by number. */
  readonly finished: ReadonlyMap<number, PieceRecord>;
  record(piece: PieceRecord): Promise<void>;
  /** Pieces on record, earlier runs' among them. */
  count(): number;
  /** Syncs what is waiting. */
  flush(): Promise<void>;
  close(): Promise<void>;
  remove(): Promise<void>;
}

/** Records that wait for a sync at most, and for how long: what a power cut costs is made again. */
const BATCH = 256;
const BATCH_MS = 1000;

export const journalPath = (sidecar: string): string => join(sidecar, "journal.jsonl");

const HEAD = v.object({
  v4kit: v.string(),
  plan: v.string(),
  source: v.string(),
  encoders: v.string(),
  importance: v.string(),
});

/** Sums may be NaN, which valibot's own number refuses. */
const number = v.custom<number>((value) => typeof value === "number");
const crc = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff));

const RECORD = v.object({
  piece: v.pipe(v.number(), v.integer(), v.minValue(0)),
  path: v.string(),
  changed: number,
  verified: number,
  squaredError: number,
  squaredReference: number,
  scaleSpan: v.optional(v.tuple([number, number])),
  out: v.array(crc),
  in: v.array(v.array(crc)),
  global: v.optional(number),
  unmeasured: v.optional(v.boolean()),
  streamed: v.optional(v.picklist(["hub", "other"])),
  workedMs: number,
});

/** Opens the journal of an unfinished conversion, or begins one. Another conversion's is refused, with the difference. */
export async function openJournal(sidecar: string, head: JournalHead): Promise<Journal> {
  const path = journalPath(sidecar);
  const log = await openAppendLog(path);
  try {
    log.lines.forEach((line, i) => {
      if (!v.is(i === 0 ? HEAD : RECORD, line)) throw damaged(path, i + 1);
    });
    const [begun, ...records] = log.lines as [JournalHead?, ...PieceRecord[]];
    if (begun) refuseOther(path, begun, head);
    else await log.append(head);
    return batched(log, path, new Map(records.map((record) => [record.piece, record])));
  } catch (error) {
    await log.close();
    throw error;
  }
}

function batched(log: AppendLog, path: string, finished: ReadonlyMap<number, PieceRecord>): Journal {
  let waiting: PieceRecord[] = [];
  let syncedMs = Date.now();
  let count = finished.size;
  let writing = Promise.resolve();
  const flush = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    syncedMs = Date.now();
    if (batch.length > 0) writing = writing.then(() => log.append(...batch));
    await writing;
  };
  return {
    finished,
    count: () => count,
    async record(piece) {
      count++;
      waiting.push(piece);
      if (waiting.length >= BATCH || Date.now() - syncedMs >= BATCH_MS) await flush();
    },
    flush,
    close: () => log.close(),
    async remove() {
      await log.close();
      await rm(path, { force: true });
    },
  };
}

const MEANING: Readonly<Record<keyof JournalHead, string>> = {
  v4kit: "the version of v4kit",
  plan: "the plan",
  source: "the source",
  encoders: "the encoders",
  importance: "the importance file",
};

function refuseOther(path: string, begun: JournalHead, now: JournalHead): void {
  const key = (Object.keys(MEANING) as (keyof JournalHead)[]).find((k) => begun[k] !== now[k]);
  if (key === undefined) return;
  const [was, is] = firstDifference(begun[key], now[key]);
  throw new V4Error("usage", {
    what: `an unfinished conversion of something else lies here: ${MEANING[key]} differs`,
    file: path,
    expected: printable(was, 80),
    found: printable(is, 80),
    next: "give --restart to begin anew, or another --out",
  });
}

/** Of two lists of words, the first that differ; else the texts. */
function firstDifference(a = "nothing", b = "nothing"): [string, string] {
  const [wordsA, wordsB] = [a.split(" "), b.split(" ")];
  const at = wordsA.findIndex((word, i) => word !== wordsB[i]);
  return at < 0 ? [a, b] : [wordsA[at], wordsB[at] ?? "nothing"];
}
