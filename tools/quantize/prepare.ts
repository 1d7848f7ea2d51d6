import { EMPTY_SPAN, nvfp4Exponent } from "../../kernels/safetensors.ts";
import { rowLength } from "../checkpoint/read-rows.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import type { CensusEntry } from "../model/census.ts";
import { faultError } from "./faults.ts";
import { importanceOf, measuredImportance } from "./importance.ts";
import type { Piece } from "./pieces.ts";
import type { ScanResult, ScanTask } from "./scan-rows.ts";
import { type Scan, splitScan } from "./scan-tasks.ts";

/** Whether power-of-two scales are all there is to know. */
const areFp4 = (entries: readonly CensusEntry[]): boolean => entries.every(({ format }) => format === "fp4");

/** The passes that `findGlobal` makes. */
export const globalScans = (entries: readonly CensusEntry[]): Scan[] =>
  entries.map((entry) => ({
    entry,
    columnStart: 0,
    scan: areFp4(entries) ? "span" : "peak",
    rowLength: rowLength(entry),
  }));

/** The passes that weigh the columns of a piece by their energy. */
export const energyScans = ({ parts, tensor }: Piece): Scan[] =>
  parts.map(({ entry, columnStart }) => ({
    entry,
    columnStart,
    scan: "energy",
    rowLength: tensor.rowLength,
  }));

/** What the tasks of a piece need to know of their whole matrix. */
export interface Prepared {
  readonly importance?: Float32Array;
  readonly global?: number;
  /** The importance file holds this matrix, but no token reached it. */
  readonly unmeasured?: boolean;
}

export interface Scanner {
  readonly source: TensorSource;
  readonly importance: ImportanceFile | undefined;
  runScan(slab: SharedArrayBuffer, task: ScanTask): Promise<ScanResult>;
}

/** ModelOpt's largest group scale times the largest E2M1 value: what weight_scale_2 divides the peak by. */
const NVFP4_RANGE = 448 * 6;

/**
 * Looks at whole matrices before their first row is encoded, where a storage asks for it. A scale that two matrices
 * share is found once. The caller's slab is used and free again afterwards.
 */
export function createPreparer(scanner: Scanner) {
  const globals = new Map<string, Promise<number>>();
  return async (piece: Piece, slab: SharedArrayBuffer): Promise<Prepared> => {
    const { tensor } = piece;
    if (tensor.scaledWith) {
      const key = tensor.scaledWith.map(({ spec }) => spec.name).join();
      const known = globals.get(key) ?? findGlobal(scanner, tensor.scaledWith, slab);
      globals.set(key, known);
      const global = await known;
      // The last of those that share it forgets it: the map never grows with the model.
      if (tensor.name === tensor.scaledWith.at(-1)?.spec.name) globals.delete(key);
      const measured = await weigh(scanner, piece, slab);
      return { global, ...measured };
    }
    return weigh(scanner, piece, slab);
  };
}

async function weigh(scanner: Scanner, piece: Piece, slab: SharedArrayBuffer): Promise<Prepared> {
  const mode = importanceOf(piece.tensor, {
    file: scanner.importance,
    expertCount: scanner.source.config.expertCount,
  });
  if (mode === "none") return {};
  if (mode === "imatrix" && scanner.importance) {
    const importance = await measuredImportance(scanner.importance, piece);
    return importance
      ? { importance }
      : { importance: await energyOf(scanner, piece, slab), unmeasured: true };
  }
  return { importance: await energyOf(scanner, piece, slab) };
}

/** Sum of squares of each column over all rows: rows pass in ascending order, so no cut shows in the sums. */
async function energyOf(scanner: Scanner, piece: Piece, slab: SharedArrayBuffer): Promise<Float32Array> {
  const sums = new Float64Array(slab, 0, piece.tensor.rowLength);
  sums.fill(0);
  for (const scan of energyScans(piece)) await passThrough(scanner, scan, slab);
  return Float32Array.from(sums);
}

/** weight_scale_2: a power of two that keeps FP4 exact where that can be; else the peak over the largest scale. */
async function findGlobal(
  scanner: Scanner,
  entries: readonly CensusEntry[],
  slab: SharedArrayBuffer,
): Promise<number> {
  let [least, greatest] = EMPTY_SPAN;
  let peak = 0;
  for (const scan of globalScans(entries))
    for (const found of await passThrough(scanner, scan, slab)) {
      least = Math.min(least, found.span?.[0] ?? least);
      greatest = Math.max(greatest, found.span?.[1] ?? greatest);
      peak = Math.max(peak, found.peak ?? 0);
    }
  if (areFp4(entries)) return 2 ** nvfp4Exponent([least, greatest]);
  return Math.fround(peak / NVFP4_RANGE) || 1;
}

/** Passes a source tensor through the slab, some rows at a time. */
async function passThrough(scanner: Scanner, scan: Scan, slab: SharedArrayBuffer): Promise<ScanResult[]> {
  const results: ScanResult[] = [];
  const bytes = new Uint8Array(slab);
  const { scan: what, rowLength } = scan;
  for (const planned of splitScan(scan)) {
    const { input, rows } = planned;
    for (const { tensor, byteOffset, byteLength, at } of planned.reads)
      await scanner.source.read(tensor, byteOffset, bytes.subarray(at, at + byteLength));
    const result = await scanner.runScan(slab, { scan: what, rows, rowLength, input, sumsAt: 0 });
    if (result.fault) throw faultError(planned, result.fault);
    results.push(result);
  }
  return results;
}
