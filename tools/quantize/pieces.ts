import { type BlockRows, rowCount, scaleRange } from "../checkpoint/read-rows.ts";
import { TASK_BYTES, TASK_VALUES } from "../lib/limits.ts";
import type { CensusEntry } from "../model/census.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import type { PlannedPart, PlannedTensor } from "../plan/output-plan.ts";
import { bytesOfRows, tensorBytes } from "../plan/storage.ts";
import type { RowsInput, RowsTask, SlabBlocks } from "./rows-task.ts";

/** Bytes to read from a source tensor into the slab before a task can run. */
export interface SlabRead {
  readonly tensor: StoredTensor;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly at: number;
}

/** A task with its reads and the places of its results in the stored tensors. */
export interface PlannedTask {
  readonly task: RowsTask;
  readonly parts: readonly PlannedPart[];
  /** First row of this task in each part's source. */
  readonly sourceRow: number;
  readonly reads: readonly SlabRead[];
  /** Relative to the first byte of each stored tensor. */
  readonly outOffsets: readonly number[];
  readonly slabBytes: number;
}

/** What is journaled as one: the part of a planned tensor that one source tensor (or the halves of a fusion) fills. */
export interface Piece {
  readonly tensor: PlannedTensor;
  readonly parts: readonly PlannedPart[];
  readonly rows: number;
}

/** Slab positions are kept on cache lines, so a view of any element type fits. */
const align = (position: number): number => Math.ceil(position / 64) * 64;

/** Parts that fill the same output rows side by side belong to one piece; stacked parts follow one another. */
export function piecesOf(tensor: PlannedTensor): Piece[] {
  const groups = new Map<number, PlannedPart[]>();
  for (const part of tensor.parts) groups.set(part.rowStart, [...(groups.get(part.rowStart) ?? []), part]);
  return [...groups.values()].map((parts) => ({ tensor, parts, rows: rowCount(parts[0].entry) }));
}

export interface SplitOptions {
  readonly expertCount: number;
  /** Room for one weight per column. */
  readonly importance: boolean;
}

/** Cuts a piece into tasks of bounded size. Rows are independent, so the cut never shows in the bytes. */
export function* splitTasks(piece: Piece, options: SplitOptions): Generator<PlannedTask> {
  const step = rowsPerTask(piece);
  for (let row = 0; row < piece.rows; row += step)
    yield planTask(piece, row, Math.min(step, piece.rows - row), options);
}

/** Rows of a task: whole scale blocks of source and output, so that no scale is read or written twice. */
function rowsPerTask({ tensor, parts }: Piece): number {
  const outRow = tensor.outputs.reduce((sum, output) => sum + tensorBytes(output), 0) / tensor.rows;
  const inRow = parts.reduce((sum, { entry }) => sum + rowBytes(entry) * 1.125, 0);
  const rows = Math.floor(Math.min(TASK_BYTES / (inRow + outRow), TASK_VALUES / tensor.rowLength));
  const unit = Math.max(
    1,
    ...tensor.outputs.map(({ rowsPerUnit }) => rowsPerUnit),
    ...parts.flatMap(({ entry }) => [entry.scale?.blockRows ?? 1, entry.zeroPoints?.blockRows ?? 1]),
  );
  return Math.max(unit, Math.floor(rows / unit) * unit);
}

/** Bytes of one stored row of a source. */
function rowBytes(entry: CensusEntry): number {
  return entry.weight.byteLength / rowCount(entry);
}

function planTask(piece: Piece, row: number, rows: number, options: SplitOptions): PlannedTask {
  const { tensor, parts } = piece;
  const reads: SlabRead[] = [];
  let end = 0;
  const reserve = (byteLength: number): number => {
    const at = end;
    end = align(at + byteLength);
    return at;
  };
  const importanceAt = options.importance ? reserve(4 * tensor.rowLength) : undefined;
  const inputs = parts.map(({ entry, columnStart }) =>
    planInput({ entry, columnStart, row, rows, reads, reserve }),
  );
  const { rowStart } = parts[0];
  const outs = tensor.outputs.map((output) => {
    const bytes = bytesOfRows(output, rows);
    return { at: reserve(bytes), bytes };
  });
  return {
    task: {
      rows,
      rowLength: tensor.rowLength,
      storage: tensor.storage,
      inputs,
      outs,
      expertCount: options.expertCount,
      ...(importanceAt !== undefined && { importanceAt }),
    },
    parts,
    sourceRow: row,
    reads,
    outOffsets: tensor.outputs.map((output) => bytesOfRows(output, rowStart + row)),
    slabBytes: end,
  };
}

interface InputPlan {
  readonly entry: CensusEntry;
  readonly columnStart: number;
  readonly row: number;
  readonly rows: number;
  readonly reads: SlabRead[];
  readonly reserve: (byteLength: number) => number;
}

export function planInput({ entry, columnStart, row, rows, reads, reserve }: InputPlan): RowsInput {
  const read = (tensor: StoredTensor, byteOffset: number, byteLength: number): number => {
    const at = reserve(byteLength);
    reads.push({ tensor, byteOffset, byteLength, at });
    return at;
  };
  const { weight, scale, globalScale, zeroPoints } = entry;
  const blocksOf = (blocks: BlockRows): SlabBlocks => {
    const { first, byteOffset, byteLength } = scaleRange(blocks, row, rows);
    const { tensor, blockRows } = blocks;
    const at = read(tensor, byteOffset, byteLength);
    return { at, bytes: byteLength, blockRows, firstRow: row - first * blockRows };
  };
  const bytes = rowBytes(entry);
  return {
    format: entry.format,
    cols: entry.spec.shape.at(-1) as number,
    columnStart,
    weightAt: read(weight, row * bytes, rows * bytes),
    weightBytes: rows * bytes,
    ...(scale && { scale: { ...blocksOf(scale), kind: scale.kind, blockCols: scale.blockCols } }),
    ...(globalScale && {
      globalScale: { at: read(globalScale.tensor, 0, 4), divides: globalScale.divides },
    }),
    ...(zeroPoints && { zeroPoints: blocksOf(zeroPoints) }),
  };
}
