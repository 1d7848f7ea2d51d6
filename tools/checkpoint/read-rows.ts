import type { Kernels } from "../../kernels/kernels.ts";
import { dataError } from "../lib/errors.ts";
import type { CensusEntry } from "../model/census.ts";
import { decodeRows, type StoredRows } from "./decode-rows.ts";
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
  const rowBytes = entry.weight.byteLength / rowCount(entry);
  const weight = new Uint8Array(rows * rowBytes);
  const [scale] = await Promise.all([
    entry.scale && readScale(source, entry.scale, firstRow, rows),
    source.read(entry.weight, firstRow * rowBytes, weight),
  ]);
  return { format: entry.format, cols: rowLength(entry), weight, ...(scale && { scale }) };
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
  if (fault)
    throw dataError({
      what: `a value cannot be decoded (${fault.kind}) in the rows from ${firstRow} on`,
      file: entry.weight.file,
      tensor: entry.weight.name,
    });
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

async function readScale(
  source: TensorSource,
  scale: NonNullable<CensusEntry["scale"]>,
  row: number,
  rows: number,
) {
  const { tensor, kind, blockRows, blockCols } = scale;
  const { first, byteOffset, byteLength } = scaleRange(scale, row, rows);
  const bytes = new Uint8Array(byteLength);
  await source.read(tensor, byteOffset, bytes);
  return { kind, bytes, blockRows, blockCols, firstRow: row - first * blockRows };
}

/** The part of a scale tensor that rows `row ... row + rows` need; `first` is its first scale row. */
export function scaleRange(
  { tensor, blockRows }: NonNullable<CensusEntry["scale"]>,
  row: number,
  rows: number,
) {
  const bytesPerRow = tensor.byteLength / tensor.shape[0];
  const first = Math.floor(row / blockRows);
  const last = Math.ceil((row + rows) / blockRows);
  return { first, byteOffset: first * bytesPerRow, byteLength: (last - first) * bytesPerRow };
}
