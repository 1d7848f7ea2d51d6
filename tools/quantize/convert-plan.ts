import { Piscina } from "piscina";
import type { TensorSource } from "../checkpoint/source.ts";
import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import { combineCrc32 } from "../lib/crc32.ts";
import type { UnfinishedFile } from "../lib/disk.ts";
import { TASK_BYTES } from "../lib/limits.ts";
import { distModule } from "../lib/package-root.ts";
import type { ProgressReporter } from "../lib/progress.ts";
import { bytesOfRows, type OutputTensor, tensorBytes } from "../plan/storage.ts";
import { addUp, type TaskOutcome } from "./add-up.ts";
import { constantBytes } from "./constants.ts";
import { faultError } from "./faults.ts";
import { importanceOf } from "./importance.ts";
import type { Journal, PieceRecord } from "./journal.ts";
import type { LaidOutFile } from "./layout-files.ts";
import { type Piece, type PlannedTask, piecesOf, splitTasks } from "./pieces.ts";
import { createPreparer, type Prepared } from "./prepare.ts";
import type { RowsResult } from "./rows-task.ts";
import type { ScanResult, ScanTask } from "./scan-rows.ts";
import { createSlabPool } from "./slab-pool.ts";
import type { WorkerJob } from "./worker.ts";

/** A piece with its number in the plan and its place in a file. */
export interface PlacedPiece {
  readonly number: number;
  readonly fileIndex: number;
  readonly piece: Piece;
  /** Absolute position of every stored tensor of its matrix. */
  readonly offsets: readonly number[];
}

/** Every piece of a plan in file order; the number is its identity in the journal. */
export function* allPieces(files: readonly LaidOutFile[]): Generator<PlacedPiece> {
  let number = 0;
  for (const [fileIndex, { file, offsets }] of files.entries())
    for (const [t, tensor] of file.tensors.entries())
      for (const piece of piecesOf(tensor)) yield { number: number++, fileIndex, piece, offsets: offsets[t] };
}

export interface ConvertOptions {
  readonly source: TensorSource;
  readonly files: readonly LaidOutFile[];
  readonly outputs: readonly UnfinishedFile[];
  readonly importance: ImportanceFile | undefined;
  readonly journal: Journal;
  /** Pieces that are in the files already. */
  readonly finished: ReadonlyMap<number, PieceRecord>;
  readonly workers: number;
  /** Where the source is read from by ranges, for the records. */
  readonly streamed?: PieceRecord["streamed"] | undefined;
  readonly progress: ProgressReporter;
  readonly signal?: AbortSignal | undefined;
  /** Workers that are running already and go on afterwards; else the conversion has its own. */
  readonly pool?: Piscina;
}

/** Starts the threads of a conversion. */
export const startWorkers = (workers: number): Piscina =>
  new Piscina({
    filename: distModule("tools/quantize/worker"),
    name: "run",
    minThreads: workers,
    maxThreads: workers,
  });

/**
 * Converts every piece that is not finished: tensors go disk → slab → worker → slab → disk, in bounded memory, to fixed
 * places, so the order in which pieces finish does not show. Returns the record of every piece by number.
 */
export async function convertPlan(options: ConvertOptions): Promise<ReadonlyMap<number, PieceRecord>> {
  const { files, finished, workers, signal, journal } = options;
  const pool = options.pool ?? startWorkers(workers);
  const run: Run = {
    ...options,
    pool,
    slabs: createSlabPool(slabCount(workers), slabBytes(options)),
    failure: undefined,
    prepare: createPreparer({
      source: options.source,
      importance: options.importance,
      runScan: (slab: SharedArrayBuffer, task: ScanTask) =>
        pool.run({ slab, task } satisfies WorkerJob) as Promise<ScanResult>,
    }),
  };
  const records = new Map(finished);
  const running = new Set<Promise<void>>();
  try {
    for (const placed of allPieces(files)) {
      if (finished.has(placed.number)) continue;
      const slab = await run.slabs.acquire();
      if (signal?.aborted) run.failure ??= signal.reason;
      if (run.failure !== undefined) break;
      const job = convertPiece(run, placed, slab)
        .then(async (made) => {
          const record = { ...made, ...(options.streamed && { streamed: options.streamed }) };
          records.set(record.piece, record);
          await journal.record(record);
        })
        .catch((error: unknown) => {
          run.failure ??= error;
        })
        .finally(() => running.delete(job));
      running.add(job);
    }
    await Promise.all(running);
    if (signal?.aborted) run.failure ??= signal.reason;
    await journal.flush();
    if (run.failure !== undefined) throw run.failure;
    return records;
  } finally {
    if (!options.pool) await pool.destroy();
  }
}

interface Run extends ConvertOptions {
  readonly pool: Piscina;
  readonly slabs: ReturnType<typeof createSlabPool>;
  readonly prepare: (piece: Piece, slab: SharedArrayBuffer) => Promise<Prepared>;
  failure: unknown;
}

export const splitOptions = (
  { source, importance }: Pick<ConvertOptions, "source" | "importance">,
  piece: Piece,
) => ({
  expertCount: source.config.expertCount,
  importance:
    importanceOf(piece.tensor, { file: importance, expertCount: source.config.expertCount }) !== "none",
});

/** Slabs of a conversion: one per worker in work, one each being read, and one being written. */
export const slabCount = (workers: number): number => 2 * workers + 1;

/** What a slab must hold. With their number, what bounds the memory of a run. */
function slabBytes(options: ConvertOptions): number {
  let largest = 0;
  let scanned = 0;
  for (const { piece } of allPieces(options.files)) {
    const split = splitOptions(options, piece);
    // The first task is the largest.
    for (const { slabBytes: needed } of splitTasks(piece, split)) {
      largest = Math.max(largest, needed);
      break;
    }
    if (split.importance || piece.tensor.scaledWith) scanned = Math.max(scanned, 8 * piece.tensor.rowLength);
  }
  return Math.max(largest, scanned > 0 ? 1.25 * TASK_BYTES + scanned : 0);
}

async function convertPiece(run: Run, placed: PlacedPiece, first: SharedArrayBuffer): Promise<PieceRecord> {
  const { piece } = placed;
  let slab: SharedArrayBuffer | undefined = first;
  try {
    const prepared = await run.prepare(piece, first);
    const outcomes: Promise<TaskOutcome>[] = [];
    for (const planned of splitTasks(piece, splitOptions(run, piece))) {
      slab ??= await run.slabs.acquire();
      if (run.failure !== undefined || run.signal?.aborted) break;
      const own = slab;
      slab = undefined;
      const outcome = convertTask(run, placed, planned, prepared, own).finally(() => run.slabs.release(own));
      outcome.catch((error: unknown) => {
        run.failure ??= error;
      });
      outcomes.push(outcome);
    }
    // After a fault too: nothing may write once the files are closed.
    await Promise.allSettled(outcomes);
    const results = await Promise.all(outcomes);
    if (run.failure !== undefined) throw run.failure;
    if (run.signal?.aborted) throw run.signal.reason;
    const constants = await writeConstants(run, placed, prepared);
    return addUp(placed, results, constants, prepared);
  } finally {
    if (slab) run.slabs.release(slab);
  }
}

async function convertTask(
  { source, pool, outputs, progress }: Run,
  { fileIndex, offsets }: PlacedPiece,
  planned: PlannedTask,
  { importance, global }: Prepared,
  slab: SharedArrayBuffer,
): Promise<TaskOutcome> {
  const bytes = new Uint8Array(slab);
  await Promise.all(
    planned.reads.map(({ tensor, byteOffset, byteLength, at }) =>
      source.read(tensor, byteOffset, bytes.subarray(at, at + byteLength)),
    ),
  );
  const { task } = planned;
  if (importance && task.importanceAt !== undefined)
    new Float32Array(slab, task.importanceAt, importance.length).set(importance);
  const job: WorkerJob = { slab, task: { ...task, ...(global !== undefined && { global }) } };
  const result = (await pool.run(job)) as RowsResult;
  if (result.fault) throw faultError(planned, result.fault);
  for (const [i, { at, bytes: length }] of task.outs.entries())
    if (length > 0)
      await outputs[fileIndex].write(bytes.subarray(at, at + length), offsets[i] + planned.outOffsets[i]);
  progress.advance(task.outs.reduce((sum, out) => sum + out.bytes, 0));
  return {
    result,
    outBytes: task.outs.map((out) => out.bytes),
    inBytes: task.inputs.map(({ weightBytes, scale }) => [weightBytes, ...(scale ? [scale.bytes] : [])]),
  };
}

/** Writes the stored tensors that are no function of rows; returns their CRC-32 by output. */
async function writeConstants(
  { outputs }: Run,
  { piece, fileIndex, offsets }: PlacedPiece,
  prepared: Prepared,
): Promise<ReadonlyMap<number, number>> {
  const crcs = new Map<number, number>();
  for (const [i, output] of piece.tensor.outputs.entries()) {
    if (output.rowsPerUnit > 0) continue;
    const { bytes, crc } = constantBytes(output, piece.tensor, prepared.global);
    await outputs[fileIndex].write(bytes, offsets[i]);
    crcs.set(i, crc);
  }
  return crcs;
}

/** CRC-32 of every stored tensor of a file, in order, from the records of the pieces that fill it. */
export function storedCrcs(
  files: readonly LaidOutFile[],
  records: ReadonlyMap<number, PieceRecord>,
): readonly (readonly number[])[] {
  const perFile: number[][] = files.map(() => []);
  let last: { tensor: Piece["tensor"]; at: number } | undefined;
  for (const { number, fileIndex, piece } of allPieces(files)) {
    const crcs = perFile[fileIndex];
    const { out } = records.get(number) as PieceRecord;
    if (last?.tensor !== piece.tensor) {
      last = { tensor: piece.tensor, at: crcs.length };
      crcs.push(...out);
      continue;
    }
    const { at } = last;
    piece.tensor.outputs.forEach((output, i) => {
      crcs[at + i] = combineCrc32(crcs[at + i], out[i], pieceBytes(output, piece));
    });
  }
  return perFile;
}

/** Bytes of a stored tensor that a piece fills. */
export const pieceBytes = (output: OutputTensor, piece: Piece): number =>
  output.rowsPerUnit === 0 ? tensorBytes(output) : bytesOfRows(output, piece.rows);
