import { globalFactor, type RowsFault, type StoredRows } from "../checkpoint/decode-rows.ts";
import type { SourceFormat } from "../model/census.ts";
import type { ScaleKind } from "../model/scale-geometry.ts";
import type { Storage } from "../plan/storage.ts";

/** One source's share of a task: byte ranges inside the slab. */
export interface RowsInput {
  readonly format: SourceFormat;
  /** Values per row of this source, and where they go inside the output row. */
  readonly cols: number;
  readonly columnStart: number;
  readonly weightAt: number;
  readonly weightBytes: number;
  readonly scale?: { readonly kind: ScaleKind; readonly blockCols: number } & SlabBlocks;
  /** Four bytes, see `globalFactor`. */
  readonly globalScale?: { readonly at: number; readonly divides: boolean };
  readonly zeroPoints?: SlabBlocks;
}

/** Scales or zero points in the slab: one row for every `blockRows` rows of the weight, see `StoredBlocks`. */
export interface SlabBlocks extends SlabRange {
  readonly blockRows: number;
  readonly firstRow: number;
}

/** A range of the slab. */
export interface SlabRange {
  readonly at: number;
  readonly bytes: number;
}

/** Some rows of one matrix. All positions are inside one slab; the results replace nothing but their own ranges. */
export interface RowsTask {
  readonly rows: number;
  readonly rowLength: number;
  readonly storage: Storage;
  readonly inputs: readonly RowsInput[];
  /** Where the rows of each stored tensor go, in the order of the storage; empty for those that are no function of rows. */
  readonly outs: readonly SlabRange[];
  /** Ids in a routing table must be below this. */
  readonly expertCount: number;
  /** One weight per column as f32 in the slab, where the encoder shall weigh its errors. */
  readonly importanceAt?: number;
  /** The scale over the whole matrix: ModelOpt's weight_scale_2. */
  readonly global?: number;
}

/** How rows came about: bytes as they were, values moved without arithmetic, or decoded and encoded. */
export type ConversionPath = "copied" | "moved" | "encoded";

export interface RowsStats {
  readonly path: ConversionPath;
  /** Values that the output does not hold exactly, where exactness is at stake. */
  readonly changed: number;
  /** Values whose decoded output was compared with the decoded source and found equal. */
  readonly verified: number;
  /** Over the rows whose error was measured: sum (y - x)^2, and sum x^2. */
  readonly squaredError: number;
  readonly squaredReference: number;
  /** Least and greatest scale byte of the source, over all groups; undefined where it has no E8M0 scales. */
  readonly scaleSpan?: readonly [number, number];
}

export interface RowsResult {
  /** Time in the worker. */
  readonly workedMs?: number;
  /** The first value that may not be there, and which input it is in. */
  readonly fault?: RowsFault & { readonly input: number };
  readonly stats?: RowsStats;
  /** CRC-32 of each output range. */
  readonly outCrcs: readonly number[];
  /** CRC-32 of what was read of each input: weight, and scale where there is one. */
  readonly inCrcs: readonly (readonly number[])[];
}

/** An input as rows in memory. */
export function storedRows(
  slab: Uint8Array,
  { format, cols, weightAt, weightBytes, scale, globalScale, zeroPoints }: RowsInput,
): StoredRows {
  const bytesOf = ({ at, bytes }: SlabRange): Uint8Array => slab.subarray(at, at + bytes);
  return {
    format,
    cols,
    weight: bytesOf({ at: weightAt, bytes: weightBytes }),
    ...(scale && { scale: { ...scale, bytes: bytesOf(scale) } }),
    ...(globalScale && { globalScale: globalFactor(slab.subarray(globalScale.at), globalScale.divides) }),
    ...(zeroPoints && { zeroPoints: { ...zeroPoints, bytes: bytesOf(zeroPoints) } }),
  };
}
