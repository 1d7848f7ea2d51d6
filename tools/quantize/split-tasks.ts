import type { EncodableFormat } from "../../kernels/kernels.ts";
import { type BlockRows, rowCount, scaleRange } from "../checkpoint/read-rows.ts";
import { byteLengthOf } from "../formats/dtypes.ts";
import { TASK_BYTES, TASK_VALUES } from "../lib/limits.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import type { PlannedPart, PlannedTensor } from "../plan/gguf-plan.ts";
import type { RowsInput, RowsTask, SlabBlocks } from "./convert-rows.ts";

/** Bytes to read from a source tensor into the slab before the task can run. */
export interface SlabRead {
  readonly tensor: StoredTensor;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly at: number;
}

/** A task with its reads and the place of its result in the output tensor. */
export interface PlannedTask {
  readonly task: RowsTask;
  readonly parts: readonly PlannedPart[];
  /** First row of this task in each part's source. */
  readonly sourceRow: number;
  readonly reads: readonly SlabRead[];
  /** Relative to the output tensor's first byte. */
  readonly outOffset: number;
  readonly slabBytes: number;
}

/** Slab positions are kept on cache lines, so a view of any element type fits. */
const align = (position: number): number => Math.ceil(position / 64) * 64;

/** Cuts an output tensor into tasks of bounded size. Rows are independent, so the cut never shows in the bytes. */
export function* splitTasks(tensor: PlannedTensor, expertCount: number): Generator<PlannedTask> {
  for (const parts of rowGroups(tensor)) {
    const { rowStart, entry } = parts[0];
    const rows = rowCount(entry);
    const step = rowsPerTask(tensor, parts);
    for (let row = 0; row < rows; row += step)
      yield planTask(tensor, parts, rowStart, row, Math.min(step, rows - row), expertCount);
  }
}

/** Parts that fill the same output rows side by side belong to one task; stacked parts follow one another. */
function rowGroups(tensor: PlannedTensor): PlannedPart[][] {
  const groups = new Map<number, PlannedPart[]>();
  for (const part of tensor.parts) groups.set(part.rowStart, [...(groups.get(part.rowStart) ?? []), part]);
  return [...groups.values()];
}

function rowsPerTask(tensor: PlannedTensor, parts: readonly PlannedPart[]): number {
  const outRow = byteLengthOf(tensor.dtype, tensor.rowLength);
  const inRow = parts.reduce((sum, part) => sum + rowBytes(part) * 1.125, 0);
  return Math.max(1, Math.floor(Math.min(TASK_BYTES / (inRow + outRow), TASK_VALUES / tensor.rowLength)));
}

/** Bytes of one stored row of a source. */
function rowBytes({ entry }: PlannedPart): number {
  return entry.weight.byteLength / rowCount(entry);
}

function planTask(
  tensor: PlannedTensor,
  parts: readonly PlannedPart[],
  rowStart: number,
  row: number,
  rows: number,
  expertCount: number,
): PlannedTask {
  const inputs: RowsInput[] = [];
  const reads: SlabRead[] = [];
  let end = 0;
  const reserve = (tensorRead: StoredTensor, byteOffset: number, byteLength: number): number => {
    const at = end;
    reads.push({ tensor: tensorRead, byteOffset, byteLength, at });
    end = align(at + byteLength);
    return at;
  };
  for (const part of parts) {
    const { entry, columnStart } = part;
    const { scale, globalScale, zeroPoints } = entry;
    const blocksOf = (blocks: BlockRows) => planBlocks(blocks, row, rows, reserve);
    const bytes = rowBytes(part);
    const weightAt = reserve(entry.weight, row * bytes, rows * bytes);
    inputs.push({
      format: entry.format,
      cols: entry.spec.shape.at(-1) as number,
      columnStart,
      weightAt,
      weightBytes: rows * bytes,
      ...(scale && { scale: { ...blocksOf(scale), kind: scale.kind, blockCols: scale.blockCols } }),
      ...(globalScale && {
        globalScale: { at: reserve(globalScale.tensor, 0, 4), divides: globalScale.divides },
      }),
      ...(zeroPoints && { zeroPoints: blocksOf(zeroPoints) }),
    });
  }
  const outBytes = byteLengthOf(tensor.dtype, rows * tensor.rowLength);
  const outAt = end;
  return {
    task: {
      rows,
      rowLength: tensor.rowLength,
      format: tensor.dtype as EncodableFormat | "i32",
      inputs,
      outAt,
      outBytes,
      expertCount,
    },
    parts,
    sourceRow: row,
    reads,
    outOffset: byteLengthOf(tensor.dtype, (rowStart + row) * tensor.rowLength),
    slabBytes: align(outAt + outBytes),
  };
}

function planBlocks(
  blocks: BlockRows,
  row: number,
  rows: number,
  reserve: (tensor: StoredTensor, byteOffset: number, byteLength: number) => number,
): SlabBlocks {
  const { first, byteOffset, byteLength } = scaleRange(blocks, row, rows);
  return {
    at: reserve(blocks.tensor, byteOffset, byteLength),
    bytes: byteLength,
    blockRows: blocks.blockRows,
    firstRow: row - first * blocks.blockRows,
  };
}
