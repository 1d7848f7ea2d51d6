import type { Kernels } from "../../kernels/kernels.ts";
import { dataError } from "../lib/errors.ts";
import { formatShape } from "../lib/shape.ts";
import type { CensusEntry } from "../model/census.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import {
  decodeRows,
  globalFactor,
  type RowsFault,
  type StoredBlocks,
  type StoredRows,
} from "./decode-rows.ts";
import type { TensorSource } from "./source.ts";

/** Rows of a tensor: a matrix's output rows; a vector is one row. */
export const rowCount = ({ spec }: CensusEntry): number => (spec.shape.length === 1 ? 1 : spec.shape[0]);
export const rowLength = ({ spec }: CensusEntry): number => spec.shape.at(-1) as number;

/** Reads rows `firstRow ... firstRow + rows` of a tensor as they are stored. */
export async function readStored(
  source: TensorSource,
  entry: CensusEntry,
  firstRow: number,
  rows: number,
): Promise<StoredRows> {
  const { format, scale, zeroPoints } = entry;
  const rowBytes = entry.weight.byteLength / rowCount(entry);
  const weight = new Uint8Array(rows * rowBytes);
  const [globalScale, scales, zeros] = await Promise.all([
    readWhole(source, entry),
    scale && readBlocks(source, scale, firstRow, rows),
    zeroPoints && readBlocks(source, zeroPoints, firstRow, rows),
    source.read(entry.weight, firstRow * rowBytes, weight),
  ]);
  return {
    format,
    cols: rowLength(entry),
    weight,
    ...(scale && scales && { scale: { ...scales, kind: scale.kind, blockCols: scale.blockCols } }),
    ...(globalScale !== undefined && { globalScale }),
    ...(zeros && { zeroPoints: zeros }),
  };
}

/** What a tensor states once for all its rows, kept for as long as its census: rows are read a few at a time. */
const wholes = new WeakMap<CensusEntry, Promise<number | undefined>>();

function readWhole(source: TensorSource, entry: CensusEntry): Promise<number | undefined> | undefined {
  const { globalScale, statedShape } = entry;
  if (!globalScale && !statedShape) return undefined;
  const known = wholes.get(entry);
  if (known) return known;
  const whole = Promise.all([
    globalScale && readBytes(source, globalScale.tensor, 0, 4),
    statedShape && checkStatedShape(source, entry, statedShape),
  ]).then(([bytes]) => (globalScale && bytes ? globalFactor(bytes, globalScale.divides) : undefined));
  wholes.set(entry, whole);
  // A read that failed may succeed when it is tried again.
  whole.catch(() => wholes.delete(entry));
  return whole;
}

/** Refuses packed matrices of another shape than their configuration says, for readers of stored bytes alone. */
export async function checkStatedShapes(
  source: TensorSource,
  entries: readonly CensusEntry[],
): Promise<void> {
  for (const entry of entries) if (entry.statedShape) await readWhole(source, entry);
}

/** `weight_shape` says how much of the packed words is the matrix: another shape would be other values. */
async function checkStatedShape(
  source: TensorSource,
  { spec }: CensusEntry,
  tensor: StoredTensor,
): Promise<void> {
  const bytes = await readBytes(source, tensor, 0, tensor.byteLength);
  const stated = [...new BigInt64Array(bytes.buffer)].map(Number);
  const [expected, found] = [formatShape(spec.shape), formatShape(stated)];
  if (found !== expected)
    throw dataError({
      what: "the packed matrix says it has another shape",
      file: tensor.file,
      tensor: tensor.name,
      expected,
      found,
    });
}

/** Decodes stored rows, or refuses a value that may not be there. */
export function decodeStored(
  kernels: Kernels,
  entry: CensusEntry,
  stored: StoredRows,
  firstRow: number,
  into: Float32Array,
): void {
  const { fault } = decodeRows(kernels, stored, into);
  if (!fault) return;
  const { file, name } = faultyTensor(entry, fault.kind);
  throw dataError({
    what: `a value cannot be decoded (${fault.kind}) in the rows from ${firstRow} on`,
    file,
    tensor: name,
  });
}

/** The stored tensor in which a fault of this kind lies. */
function faultyTensor({ weight, scale, globalScale }: CensusEntry, kind: RowsFault["kind"]): StoredTensor {
  if (kind === "bad-global-scale") return globalScale?.tensor ?? weight;
  return kind.endsWith("-scale") ? (scale?.tensor ?? weight) : weight;
}

/** Reads and decodes rows `firstRow ...` of a tensor to f32; `into` holds a whole number of rows. */
export async function readRows(
  source: TensorSource,
  kernels: Kernels,
  entry: CensusEntry,
  firstRow: number,
  into: Float32Array,
): Promise<void> {
  const stored = await readStored(source, entry, firstRow, into.length / rowLength(entry));
  decodeStored(kernels, entry, stored, firstRow, into);
}

/** A tensor that has one row for every `blockRows` rows of the weight. */
export interface BlockRows {
  readonly tensor: StoredTensor;
  readonly blockRows: number;
}

async function readBlocks(
  source: TensorSource,
  blocks: BlockRows,
  row: number,
  rows: number,
): Promise<StoredBlocks> {
  const { tensor, blockRows } = blocks;
  const { first, byteOffset, byteLength } = scaleRange(blocks, row, rows);
  const bytes = await readBytes(source, tensor, byteOffset, byteLength);
  return { bytes, blockRows, firstRow: row - first * blockRows };
}

async function readBytes(source: TensorSource, tensor: StoredTensor, byteOffset: number, byteLength: number) {
  const bytes = new Uint8Array(byteLength);
  await source.read(tensor, byteOffset, bytes);
  return bytes;
}

/** The part of a tensor of scales or zero points that rows `row ... row + rows` need; `first` is its first row. */
export function scaleRange({ tensor, blockRows }: BlockRows, row: number, rows: number) {
  const bytesPerRow = tensor.byteLength / tensor.shape[0];
  const first = Math.floor(row / blockRows);
  const last = Math.ceil((row + rows) / blockRows);
  return { first, byteOffset: first * bytesPerRow, byteLength: (last - first) * bytesPerRow };
}
