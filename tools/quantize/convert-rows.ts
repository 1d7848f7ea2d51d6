import { crc32 } from "node:zlib";
import type { Kernels } from "../../kernels/kernels.ts";
import { EMPTY_SPAN } from "../../kernels/safetensors.ts";
import { decodeRows, type StoredRows } from "../checkpoint/decode-rows.ts";
import { exactness } from "../plan/exactness.ts";
import { decodeOutput, type EncodeTarget, encodeRows } from "./encode-rows.ts";
import { moveFor } from "./move-rows.ts";
import {
  type RowsInput,
  type RowsResult,
  type RowsStats,
  type RowsTask,
  type SlabRange,
  storedRows,
} from "./rows-task.ts";
import { scratch } from "./scratch.ts";

/** What became of the rows, before the checksums. */
type Converted = Pick<RowsResult, "fault" | "stats">;

/** Of lossy rows, the error is measured on one in this many: measuring all would cost a tenth of the encoders' time. */
const ERROR_SAMPLE = 16;

/**
 * Turns source rows in `slab` into the rows of the stored tensors in the same slab. What a format can carry moves as it
 * is, and is then decoded and compared with the source; everything else is decoded to f32 and encoded.
 */
export function convertRows(kernels: Kernels, slab: Uint8Array, task: RowsTask): RowsResult {
  const outs = task.outs.map((range) => view(slab, range));
  const { fault, stats } = convert(kernels, slab, task, outs);
  return {
    ...(fault && { fault }),
    ...(stats && { stats }),
    outCrcs: outs.map((bytes) => crc32(bytes)),
    inCrcs: task.inputs.map(({ weightAt, weightBytes, scale }) => [
      crc32(view(slab, { at: weightAt, bytes: weightBytes })),
      ...(scale ? [crc32(view(slab, scale))] : []),
    ]),
  };
}

const view = (slab: Uint8Array, { at, bytes }: SlabRange): Uint8Array => slab.subarray(at, at + bytes);

function convert(kernels: Kernels, slab: Uint8Array, task: RowsTask, outs: readonly Uint8Array[]): Converted {
  const [input] = task.inputs;
  if (input.format === "i64" || input.format === "i32") return convertTable(slab, input, outs[0], task);
  const moving = moveFor(task);
  if (!moving) return recode(kernels, slab, task, outs);
  const rows = storedRows(slab, input);
  const { fault, changed } = moving.move(kernels, rows, outs, task);
  if (fault) return { fault: { ...fault, input: 0 } };
  const { path } = moving;
  return path === "copied" ? checkCopy(kernels, rows, task) : verifyMove(kernels, rows, task, outs, changed);
}

/** A copy needs no comparison, but a value that may not be there is refused as anywhere else. */
function checkCopy(kernels: Kernels, rows: StoredRows, task: RowsTask): Converted {
  const values = scratch("values", task.rows * task.rowLength);
  const { fault } = decodeRows(kernels, rows, values);
  if (fault) return { fault: { ...fault, input: 0 } };
  const bad = rows.scale ? -1 : values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) return { fault: locate(task, bad, values[bad]) };
  return { stats: stats("copied", { verified: values.length, ...spanOf(rows) }) };
}

/** Decodes source and output and compares every value; what a move could not keep must be what the kernel counted. */
function verifyMove(
  kernels: Kernels,
  rows: StoredRows,
  task: RowsTask,
  outs: readonly Uint8Array[],
  changed: number,
): Converted {
  const count = task.rows * task.rowLength;
  if (rows.format === "fp4" && rows.scale && task.storage === "mxfp4") {
    // The bulk of a model: compared code by code at the speed of memory, by a kernel that shares nothing with the move.
    const span = Uint8Array.from(EMPTY_SPAN);
    const index = kernels.matchFp4(rows.weight, rows.scale.bytes, outs[0], span);
    if (index >= 0) throw new Error(`mxfp4: value ${index} changed in a move without arithmetic`);
    return { stats: stats("moved", { verified: count, scaleSpan: [span[0], span[1]] }) };
  }
  const values = scratch("values", count);
  const back = scratch("back", count);
  const { fault } = decodeRows(kernels, rows, values);
  if (fault) return { fault: { ...fault, input: 0 } };
  decodeOutput(kernels, targetOf(task, outs), back);
  const { unequal, squaredError, squaredReference } = kernels.compare(values, back);
  if (unequal > changed)
    throw new Error(`${task.storage}: ${unequal} values changed in a move that reported ${changed}`);
  return {
    stats: stats("moved", {
      changed: unequal,
      verified: count - unequal,
      squaredError,
      squaredReference,
      ...spanOf(rows),
    }),
  };
}

function recode(kernels: Kernels, slab: Uint8Array, task: RowsTask, outs: readonly Uint8Array[]): Converted {
  const values = scratch("values", task.rows * task.rowLength);
  let changed = 0;
  for (let i = 0; i < task.inputs.length; i++) {
    const { fault, exact } = decodeInput(kernels, slab, task, task.inputs[i], values);
    if (fault) return { fault: { ...fault, input: i } };
    if (!exact) changed += task.rows * task.inputs[i].cols;
  }
  const { importanceAt, rowLength } = task;
  const importance =
    importanceAt === undefined
      ? undefined
      : new Float32Array(slab.buffer, slab.byteOffset + importanceAt, rowLength);
  const target = { ...targetOf(task, outs), ...(importance && { importance }) };
  const index = encodeRows(kernels, values, target);
  if (index >= 0) return { fault: locate(task, index, values[index]) };
  return { stats: measure(kernels, task, target, values, changed) };
}

/** Compares output and source: all rows where exactness is at stake, a sample where loss is the point. */
function measure(
  kernels: Kernels,
  task: RowsTask,
  target: EncodeTarget,
  values: Float32Array,
  inexactSource: number,
): RowsStats {
  const lossy = task.inputs.some(({ format }) => exactness(format, task.storage) === "lossy");
  const unit = task.storage === "fp8" || task.storage === "fp8_f32" ? task.rows : 1;
  const rows = lossy ? Math.max(unit, Math.ceil(task.rows / ERROR_SAMPLE)) : task.rows;
  const back = scratch("back", rows * task.rowLength);
  const outs = target.outs.map((bytes) => bytes.subarray(0, (bytes.length / task.rows) * rows));
  decodeOutput(kernels, { ...target, outs }, back);
  const { unequal, squaredError, squaredReference } = kernels.compare(values.subarray(0, back.length), back);
  return stats("encoded", {
    changed: inexactSource + (lossy ? 0 : unequal),
    verified: lossy ? 0 : back.length - unequal,
    squaredError,
    squaredReference,
  });
}

const stats = (path: RowsStats["path"], rest: Partial<RowsStats>): RowsStats => ({
  path,
  changed: 0,
  verified: 0,
  squaredError: 0,
  squaredReference: 0,
  ...rest,
});

const targetOf = (task: RowsTask, outs: readonly Uint8Array[]): EncodeTarget => ({
  storage: task.storage as EncodeTarget["storage"],
  rowLength: task.rowLength,
  outs,
  ...(task.global !== undefined && { global: task.global }),
});

/** Least and greatest E8M0 byte, the reserved 255 having been refused. */
function spanOf({ scale }: StoredRows): Pick<RowsStats, "scaleSpan"> {
  if (scale?.kind !== "e8m0") return {};
  let [least, greatest] = [255, 0];
  for (const byte of scale.bytes) {
    if (byte < least) least = byte;
    if (byte > greatest) greatest = byte;
  }
  return { scaleSpan: [least, greatest] };
}

/** Decodes one input to its columns of the rows. */
export function decodeInput(
  kernels: Kernels,
  slab: Uint8Array,
  task: Pick<RowsTask, "rows" | "rowLength">,
  input: RowsInput,
  values: Float32Array,
) {
  const stored = storedRows(slab, input);
  if (input.cols === task.rowLength) return decodeRows(kernels, stored, values);
  const narrow = scratch("narrow", task.rows * input.cols);
  const result = decodeRows(kernels, stored, narrow);
  for (let row = 0; row < task.rows; row++)
    values.set(
      narrow.subarray(row * input.cols, (row + 1) * input.cols),
      row * task.rowLength + input.columnStart,
    );
  return result;
}

/** A routing table [tokens, slots] of I64 or I32 expert ids: to I32, or as it is. */
function convertTable(slab: Uint8Array, input: RowsInput, out: Uint8Array, task: RowsTask): Converted {
  const wide = input.format === "i64";
  const source = new Int32Array(slab.buffer, slab.byteOffset + input.weightAt, input.weightBytes / 4);
  const narrow = task.storage === "i32";
  const target = new Int32Array(out.buffer, out.byteOffset, out.length / 4);
  const count = task.rows * task.rowLength;
  for (let i = 0; i < count; i++) {
    const id = source[wide ? 2 * i : i];
    const high = wide ? source[2 * i + 1] : 0;
    if (high !== 0 || id < 0 || id >= task.expertCount)
      return { fault: { input: 0, kind: "expert-id", index: i } };
    if (narrow) target[i] = id;
  }
  if (!narrow) out.set(slab.subarray(input.weightAt, input.weightAt + input.weightBytes));
  return { stats: stats(narrow && wide ? "moved" : "copied", { verified: count }) };
}

function locate(task: RowsTask, index: number, value: number): NonNullable<RowsResult["fault"]> {
  const row = Math.floor(index / task.rowLength);
  const column = index % task.rowLength;
  const input = task.inputs.findIndex(
    ({ columnStart, cols }) => column >= columnStart && column < columnStart + cols,
  );
  const { cols, columnStart } = task.inputs[input];
  return {
    input,
    kind: Number.isFinite(value) ? "too-large" : "non-finite",
    index: row * cols + column - columnStart,
  };
}
