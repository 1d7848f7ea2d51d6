import type { TensorSource } from "../checkpoint/source.ts";
import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import type { PlannedRead } from "../lib/files.ts";
import { allPieces, splitOptions } from "./convert-plan.ts";
import { importanceOf, measuredImportance } from "./importance.ts";
import type { LaidOutFile } from "./layout-files.ts";
import { type Piece, type SlabRead, splitTasks } from "./pieces.ts";
import { energyScans, globalScans } from "./prepare.ts";
import { type Scan, splitScan } from "./scan-tasks.ts";

export interface ScheduleOptions {
  readonly source: TensorSource;
  readonly files: readonly LaidOutFile[];
  readonly importance: ImportanceFile | undefined;
  /** Pieces that will not be read, by number. */
  readonly finished: { has(number: number): boolean };
}

/**
 * Every read of a conversion, in the order in which `convertPlan` makes them with one worker; several are a few pieces
 * apart at most. It decides nothing: a read that is missing here costs a request of its own.
 */
export async function* readSchedule(options: ScheduleOptions): AsyncGenerator<PlannedRead> {
  const { source, files, finished } = options;
  const placed = ({ tensor, byteOffset, byteLength }: SlabRead): PlannedRead => {
    const { name, position } = source.placeOf(tensor, byteOffset);
    return { name, start: position, end: position + byteLength };
  };
  const globals = new Set<string>();
  for (const { number, piece } of allPieces(files)) {
    if (finished.has(number)) continue;
    for (const scan of await scansOf(piece, globals, options))
      for (const { reads } of splitScan(scan)) yield* reads.map(placed);
    for (const { reads } of splitTasks(piece, splitOptions(options, piece))) yield* reads.map(placed);
  }
}

/** The passes that `createPreparer` makes before a piece. `globals`: shared scales that are known by then. */
async function scansOf(
  piece: Piece,
  globals: Set<string>,
  { source, importance: file }: ScheduleOptions,
): Promise<Scan[]> {
  const { scaledWith, name } = piece.tensor;
  const scans: Scan[] = [];
  if (scaledWith) {
    const key = scaledWith.map(({ spec }) => spec.name).join();
    if (!globals.has(key)) scans.push(...globalScans(scaledWith));
    if (name === scaledWith.at(-1)?.spec.name) globals.delete(key);
    else globals.add(key);
  }
  const mode = importanceOf(piece.tensor, { file, expertCount: source.config.expertCount });
  const measured = mode === "imatrix" && file && (await measuredImportance(file, piece));
  if (mode !== "none" && !measured) scans.push(...energyScans(piece));
  return scans;
}
