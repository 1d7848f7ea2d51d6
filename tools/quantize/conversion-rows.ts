import type { ConversionRow } from "../../reports/schemas/conversion.ts";
import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import { crcHex } from "../lib/crc32.ts";
import { storedTensors } from "../model/census.ts";
import { allPieces, pieceBytes } from "./convert-plan.ts";
import { importanceOf } from "./importance.ts";
import type { PieceRecord } from "./journal.ts";
import type { LaidOutFile } from "./layout-files.ts";

/** The rows of `quantize.arrow`, in the order of the plan. */
export function* conversionRows(
  files: readonly LaidOutFile[],
  records: ReadonlyMap<number, PieceRecord>,
  measured: { readonly file: ImportanceFile | undefined; readonly expertCount: number },
): Generator<ConversionRow> {
  for (const { number, piece } of allPieces(files)) {
    const { tensor, parts } = piece;
    const { spec, format } = parts[0].entry;
    const record = records.get(number) as PieceRecord;
    const { block } = spec;
    yield {
      name: spec.name,
      role: spec.role,
      layer: block.kind === "layer" ? block.index : -1,
      output: tensor.name,
      from: format,
      to: tensor.storage,
      bytesIn: parts.reduce(
        (sum, { entry }) =>
          storedTensors(entry).reduce((bytes, { byteLength }) => bytes + byteLength, sum),
        0,
      ),
      bytesOut: tensor.outputs.reduce((sum, output) => sum + pieceBytes(output, piece), 0),
      path: record.path,
      relativeRmse: relative(record),
      changed: record.changed,
      importance: record.unmeasured ? "weight-energy" : importanceOf(tensor, measured),
      workedMs: record.workedMs,
      crc32: crcHex(record.in[0][0]),
    };
  }
}

const relative = ({ squaredError, squaredReference }: PieceRecord): number =>
  squaredReference > 0 ? Math.sqrt(squaredError / squaredReference) : 0;
