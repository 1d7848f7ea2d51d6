import pLimit from "p-limit";
import { dataError } from "../lib/errors.ts";
import { PIECE_BYTES, SEGMENT_BYTES } from "../lib/limits.ts";
import type { Span } from "./byte-ranges.ts";
import { etagOf } from "./destination.ts";
import { fetchRange } from "./fetch-range.ts";
import type { HttpClient } from "./http-client.ts";
import type { Piece } from "./range-journal.ts";
import { retrying } from "./retry.ts";
import type { FileTransfer } from "./transfer-file.ts";

/** Bytes that were wrong and have been fetched again. */
export interface Mended extends Span {
  /** Where they went wrong: the disk does not hold what was written, or other bytes came than the second time. */
  readonly where: "disk" | "transfer";
}

/** A disk or a line that errs three times in a row errs always. */
const ROUNDS = 3;

export interface MendOptions {
  readonly client: HttpClient;
  readonly connections: number;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
}

/**
 * Compares a whole file's hash with the Hub's and mends what is wrong. Pieces that the disk does not give back as they
 * were written are fetched again. Where the disk is innocent the transfer was not: then every piece is fetched again and
 * compared. Where both times the same bytes came, the source does not hold what it says: exit 65.
 */
export async function verifyAndMend(
  transfer: FileTransfer,
  options: MendOptions,
): Promise<{ readonly digest: string; readonly mended: readonly Mended[] }> {
  const { file } = transfer;
  const expected = etagOf(file);
  const mended: Mended[] = [];
  let digest = await transfer.digest();
  for (let round = 0; expected !== undefined && digest !== expected; round++) {
    const found = round < ROUNDS ? await mendOnce(transfer, options) : [];
    if (found.length === 0) {
      await transfer.discard();
      throw dataError({
        what: "the source does not hold what the Hub says: its bytes were fetched twice and are the same",
        file: file.name,
        expected: `${file.sha256 ? "sha256" : "git hash"} ${expected}`,
        found: digest,
        next: "try again later, or another --mirror",
      });
    }
    mended.push(...found);
    digest = await transfer.digest(true);
  }
  return { digest, mended };
}

async function mendOnce(transfer: FileTransfer, options: MendOptions): Promise<Mended[]> {
  const { file } = transfer;
  const damaged = await transfer.check();
  const where = damaged.length > 0 ? "disk" : "transfer";
  if (where === "transfer")
    options.onLine(`${file.name}: its hash is wrong, but not the disk's doing: fetching it again to compare`);
  const limit = pLimit(options.connections);
  const found = await Promise.all(
    runsOf(where === "disk" ? damaged : transfer.pieces()).map((run) =>
      limit(() => replaceDiffering(transfer, run, options)),
    ),
  );
  const mended = found.flat().map((span): Mended => ({ ...span, where }));
  for (const { start, end } of mended)
    options.onLine(
      `${file.name}: bytes ${start} to ${end} were wrong ${where === "disk" ? "on the disk" : "as they came"} and have been replaced`,
    );
  return mended;
}

/** Pieces that follow one another, up to a segment, so that one request fetches them. */
function runsOf(pieces: readonly Piece[]): Piece[][] {
  const runs: Piece[][] = [];
  for (const piece of pieces) {
    const run = runs.at(-1);
    if (run && run[run.length - 1].end === piece.start && piece.end - run[0].start <= SEGMENT_BYTES)
      run.push(piece);
    else runs.push([piece]);
  }
  return runs;
}

/** Fetches pieces again and writes those that differ from the file; returns the bytes that did. */
async function replaceDiffering(
  transfer: FileTransfer,
  run: readonly Piece[],
  { client, signal, onLine }: MendOptions,
): Promise<Span[]> {
  const differing: Span[] = [];
  const [fresh, held] = [new Uint8Array(PIECE_BYTES), new Uint8Array(PIECE_BYTES)];
  let at = 0;
  let position = run[0].start;
  const take = async (bytes: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes.length; ) {
      const { start, end } = run[at];
      const part = bytes.subarray(done, done + end - position);
      fresh.set(part, position - start);
      done += part.length;
      position += part.length;
      if (position < end) continue;
      const [now, before] = [fresh.subarray(0, end - start), held.subarray(0, end - start)];
      const whole = await transfer.read(before, start);
      const span = whole ? differenceOf(before, now) : { start: 0, end: end - start };
      if (span) {
        await transfer.write(now, start);
        differing.push({ start: start + span.start, end: start + span.end });
      }
      at++;
    }
  };
  const { end } = run[run.length - 1];
  await retrying(
    (progressed) =>
      fetchRange(client, transfer.file, { start: position, end, signal }, (bytes) => {
        progressed();
        return take(bytes);
      }),
    { what: transfer.file.name, signal, onRetry: onLine },
  );
  return differing;
}

/** From the first byte that differs to behind the last. */
function differenceOf(before: Uint8Array, now: Uint8Array): Span | undefined {
  if (Buffer.compare(before, now) === 0) return undefined;
  const start = now.findIndex((byte, i) => byte !== before[i]);
  return { start, end: now.findLastIndex((byte, i) => byte !== before[i]) + 1 };
}
