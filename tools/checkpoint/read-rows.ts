import type { Kernels } from "../../kernels/kernels.ts";
import { dataError } from "../lib/errors.ts";
import type { CensusEntry } from "../model/census.ts";
import { decodeRows } from "./decode-rows.ts";
import type { TensorSource } from "./source.ts";

/** Rows of a tensor: a matrix's output rows; a vector is one row. */
export const rowCount = ({ spec }: CensusEntry): number => (spec.shape.length === 1 ? 1 : spec.shape[0]);
export const rowLength = ({ spec }: CensusEntry): number => spec.shape.at(-1) as number;

/** Reads and decodes rows `firstRow ...` of a tensor to f32; `into` holds a whole number of rows. */
export async function readRows(
  source: TensorSource,
  kernels: Kernels,
  entry: CensusEntry,
  firstRow: number,
  into: Float32Array,
): Promise<void> {
  const cols = rowLength(entry);
  const rows = into.length / cols;
  const rowBytes = entry.weight.byteLength / rowCount(entry);
  const weight = new Uint8Array(rows * rowBytes);
  await source.read(entry.weight, firstRow * rowBytes, weight);
  const scale = entry.scale && (await readScale(source, entry.scale, firstRow, rows));
  const { fault } = decodeRows(
    kernels,
    { format: entry.format, cols, weight, ...(scale && { scale }) },
    into,
  );
  if (fault)
    throw dataError({
      what: `a value cannot be decoded (${fault.kind}) in the rows from ${firstRow} on`,
      file: entry.weight.file,
      tensor: entry.weight.name,
    });
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
