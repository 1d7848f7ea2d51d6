import * as v from "valibot";
import { type AppendLog, openAppendLog } from "../lib/append-log.ts";
import { removeFile } from "../lib/disk.ts";
import { overlaps, type Ranges, type Span, withRange } from "./byte-ranges.ts";

/** A run of bytes that was written, with its CRC-32: it is believed only once the bytes have been read back. */
export interface Piece extends Span {
  readonly crc32: number;
}

/** What the bytes belong to: they are kept only for the same content. */
export interface JournalHead {
  /** `sha256:…`, `git:…`, or the address without its query where no hash is known. */
  readonly content: string;
  readonly byteLength: number;
}

/** What is on record of an unfinished file. */
export interface RangeJournal {
  /** Pieces of earlier runs; they do not overlap. */
  readonly found: readonly Piece[];
  /** What the journal belonged to, where that was something else. */
  readonly other?: JournalHead;
  /** Notes a piece that has been written. Pieces that come while others are being noted share one write. */
  record(piece: Piece): void;
  /** Waits for the notes, and throws what hindered one. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const HEAD = v.object({ content: v.string(), byteLength: offset });
const PIECE = v.object({ start: offset, end: offset, crc32: offset });

/** Opens the journal at `path`, or begins one. One of another content is written anew. */
export async function openRangeJournal(path: string, head: JournalHead): Promise<RangeJournal> {
  let log = await openAppendLog(path, { doubted: true });
  const [begun, ...lines] = log.lines;
  if (v.is(HEAD, begun) && begun.content === head.content && begun.byteLength === head.byteLength)
    return journalOn(log, piecesOf(lines, head.byteLength));
  await log.close();
  await removeFile(path);
  log = await openAppendLog(path, { doubted: true });
  await log.append(head);
  return { ...journalOn(log, []), ...(v.is(HEAD, begun) && { other: begun }) };
}

/** The pieces that count: of two that overlap the later one, which replaced what was damaged. */
function piecesOf(lines: readonly unknown[], byteLength: number): Piece[] {
  const pieces: Piece[] = [];
  let covered: Ranges = [];
  for (const line of lines.toReversed()) {
    if (!v.is(PIECE, line) || line.start >= line.end || line.end > byteLength) continue;
    if (overlaps(covered, line)) continue;
    pieces.push(line);
    covered = withRange(covered, line);
  }
  return pieces.sort((a, b) => a.start - b.start);
}

function journalOn(log: AppendLog, found: readonly Piece[]): RangeJournal {
  let waiting: Piece[] = [];
  let failure: unknown;
  let noting: Promise<void> | undefined;
  const note = async (): Promise<void> => {
    try {
      while (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        await log.append(...batch);
      }
    } catch (error) {
      failure ??= error;
    } finally {
      noting = undefined;
    }
  };
  const flush = async (): Promise<void> => {
    await noting;
    if (failure !== undefined) throw failure;
  };
  return {
    found,
    record(piece) {
      waiting.push(piece);
      noting ??= note();
    },
    flush,
    async close() {
      await noting;
      await log.close();
    },
  };
}
