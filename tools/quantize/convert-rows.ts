import type { EncodableFormat, Kernels } from "../../kernels/kernels.ts";
import { decodeRows, globalFactor, type RowsFault, type StoredRows } from "../checkpoint/decode-rows.ts";
import type { SourceFormat } from "../model/census.ts";
import type { ScaleKind } from "../model/scale-geometry.ts";

/** One source's share of a task: byte ranges inside the slab. */
export interface RowsInput {
  readonly format: SourceFormat;
  /** Values per row of this source, and where they go inside the output row. */
  readonly cols: number;
  readonly columnStart: number;
  readonly weightAt: number;
  readonly weightBytes: number;
  readonly scale?: {
    readonly kind: ScaleKind;
    readonly blockCols: number;
  } & SlabBlocks;
  /** Four bytes, see `globalFactor`. */
  readonly globalScale?: { readonly at: number; readonly divides: boolean };
  readonly zeroPoints?: SlabBlocks;
}

/** Scales or zero points in the slab: one row for every `blockRows` rows of the weight, see `StoredBlocks`. */
export interface SlabBlocks {
  readonly at: number;
  readonly bytes: number;
  readonly blockRows: number;
  readonly firstRow: number;
}

/** Some rows of one output tensor. All positions are inside one slab; the result replaces nothing but its own range. */
export interface RowsTask {
  readonly rows: number;
  readonly rowLength: number;
  readonly format: EncodableFormat | "i32";
  readonly inputs: readonly RowsInput[];
  readonly outAt: number;
  readonly outBytes: number;
  /** Ids in a routing table must be below this. */
  readonly expertCount: number;
}

export interface RowsResult {
  /** The first value that may not be there, and which input it is in. */
  readonly fault?: RowsFault & { readonly input: number };
  /** Values that the output format could not hold exactly, where exactness is at stake (BF16, F16, F32). */
  readonly inexact: number;
}

/** Scratch for decoded values, grown to the largest task of this thread. */
let scratch = new Float32Array(0);
let narrow = new Float32Array(0);

const grow = (buffer: Float32Array<ArrayBuffer>, length: number): Float32Array<ArrayBuffer> =>
  buffer.length >= length ? buffer : new Float32Array(length);

/**
 * Turns source rows in `slab` into output rows in the same slab. FP4 to MXFP4 moves bits; a routing table is
 * narrowed; everything else is decoded to f32 and encoded.
 */
export function convertRows(kernels: Kernels, slab: Uint8Array, task: RowsTask): RowsResult {
  const [input] = task.inputs;
  const out = slab.subarray(task.outAt, task.outAt + task.outBytes);
  if (task.format === "i32") return convertTable(slab, input, out, task.expertCount);
  const first = storedRows(slab, input);
  if (task.format === "mxfp4" && input.format === "fp4" && first.scale && task.inputs.length === 1) {
    const index = kernels.repackMxfp4(first.weight, first.scale.bytes, out);
    return index < 0 ? { inexact: 0 } : { fault: { input: 0, kind: "reserved-scale", index }, inexact: 0 };
  }
  const count = task.rows * task.rowLength;
  scratch = grow(scratch, count);
  const values = scratch.subarray(0, count);
  let inexact = 0;
  for (let i = 0; i < task.inputs.length; i++) {
    const { fault, exact } = decodeInput(kernels, slab, task, task.inputs[i], values);
    if (fault) return { fault: { ...fault, input: i }, inexact };
    if (!exact) inexact += task.rows * task.inputs[i].cols;
  }
  const index = kernels.encode(task.format, values, out, { rowLength: task.rowLength });
  if (index >= 0) return { fault: locate(task, index, values[index]), inexact };
  return { inexact: inexact + countInexact(kernels, task, values, out) };
}

function decodeInput(
  kernels: Kernels,
  slab: Uint8Array,
  task: RowsTask,
  input: RowsInput,
  values: Float32Array,
) {
  const stored = storedRows(slab, input);
  if (input.cols === task.rowLength) return decodeRows(kernels, stored, values);
  const count = task.rows * input.cols;
  narrow = grow(narrow, count);
  const result = decodeRows(kernels, stored, narrow.subarray(0, count));
  for (let row = 0; row < task.rows; row++)
    values.set(
      narrow.subarray(row * input.cols, (row + 1) * input.cols),
      row * task.rowLength + input.columnStart,
    );
  return result;
}

/** BF16 and F16 outputs: how many values came out different. Other formats are exact (F32) or lossy by design. */
function countInexact(kernels: Kernels, task: RowsTask, values: Float32Array, out: Uint8Array): number {
  if (task.format !== "bf16" && task.format !== "f16") return 0;
  if (task.inputs.every((input) => input.format === task.format)) return 0;
  narrow = grow(narrow, values.length);
  const back = narrow.subarray(0, values.length);
  kernels.decode(task.format, out, back);
  let inexact = 0;
  for (let i = 0; i < values.length; i++) if (back[i] !== values[i]) inexact++;
  return inexact;
}

/** A routing table [tokens, slots] of I64 or I32 expert ids to I32. */
function convertTable(slab: Uint8Array, input: RowsInput, out: Uint8Array, expertCount: number): RowsResult {
  const wide = input.format === "i64";
  const source = new Int32Array(slab.buffer, slab.byteOffset + input.weightAt, input.weightBytes / 4);
  const target = new Int32Array(out.buffer, out.byteOffset, out.length / 4);
  for (let i = 0; i < target.length; i++) {
    const id = source[wide ? 2 * i : i];
    const high = wide ? source[2 * i + 1] : 0;
    if (high !== 0 || id < 0 || id >= expertCount)
      return { fault: { input: 0, kind: "expert-id", index: i }, inexact: 0 };
    target[i] = id;
  }
  return { inexact: 0 };
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

function storedRows(slab: Uint8Array, input: RowsInput): StoredRows {
  const { format, cols, weightAt, weightBytes, scale, globalScale, zeroPoints } = input;
  const bytesOf = ({ at, bytes }: SlabBlocks): Uint8Array => slab.subarray(at, at + bytes);
  return {
    format,
    cols,
    weight: slab.subarray(weightAt, weightAt + weightBytes),
    ...(scale && { scale: { ...scale, bytes: bytesOf(scale) } }),
    ...(globalScale && { globalScale: globalFactor(slab.subarray(globalScale.at), globalScale.divides) }),
    ...(zeroPoints && { zeroPoints: { ...zeroPoints, bytes: bytesOf(zeroPoints) } }),
  };
}
