import { EMPTY_SPAN, nvfp4Exponent } from "../../kernels/safetensors.ts";
import type { TensorSource } from "../checkpoint/source.ts";
import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import type { CensusEntry } from "../model/census.ts";
import { faultError } from "./faults.ts";
import { importanceOf, measuredImportance } from "./importance.ts";
import { type Piece, planInput, type SlabRead, splitTasks } from "./pieces.ts";
import type { ScanResult, ScanTask } from "./scan-rows.ts";

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
  const { rowLength } = piece.tensor;
  const sums = new Float64Array(slab, 0, rowLength);
  sums.fill(0);
  for (const { entry, columnStart } of piece.parts)
    await scan(scanner, { entry, columnStart, scan: "energy", rowLength, slab });
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
  const fp4 = entries.every(({ format }) => format === "fp4");
  for (const entry of entries) {
    const rowLength = entry.spec.shape.at(-1) as number;
    for (const found of await scan(scanner, {
      entry,
      columnStart: 0,
      scan: fp4 ? "span" : "peak",
      rowLength,
      slab,
    })) {
      least = Math.min(least, found.span?.[0] ?? least);
      greatest = Math.max(greatest, found.span?.[1] ?? greatest);
      peak = Math.max(peak, found.peak ?? 0);
    }
  }
  if (fp4) return 2 ** nvfp4Exponent([least, greatest]);
  return Math.fround(peak / NVFP4_RANGE) || 1;
}

interface Scan {
  readonly entry: CensusEntry;
  readonly columnStart: number;
  readonly scan: ScanTask["scan"];
  readonly rowLength: number;
  readonly slab: SharedArrayBuffer;
}

/** Passes a source tensor through the slab, some rows at a time. */
async function scan(
  scanner: Scanner,
  { entry, columnStart, scan: what, rowLength, slab }: Scan,
): Promise<ScanResult[]> {
  const sumsBytes = what === "energy" ? 8 * rowLength : 0;
  const results: ScanResult[] = [];
  const whole = {
    name: entry.spec.name,
    storage: "source",
    outputs: [],
    rows: 0,
    rowLength,
    parts: [],
  } as const;
  const piece: Piece = {
    tensor: { ...whole, rows: entry.spec.shape.length === 1 ? 1 : entry.spec.shape[0] },
    parts: [{ entry, rowStart: 0, columnStart }],
    rows: entry.spec.shape.length === 1 ? 1 : entry.spec.shape[0],
  };
  const bytes = new Uint8Array(slab);
  for (const { task, sourceRow, parts } of splitTasks(piece, { expertCount: 0, importance: false })) {
    const reads: SlabRead[] = [];
    let end = Math.ceil(sumsBytes / 64) * 64;
    const reserve = (byteLength: number): number => {
      const at = end;
      end = Math.ceil((at + byteLength) / 64) * 64;
      return at;
    };
    const input = planInput({ entry, columnStart, row: sourceRow, rows: task.rows, reads, reserve });
    for (const { tensor, byteOffset, byteLength, at } of reads)
      await scanner.source.read(tensor, byteOffset, bytes.subarray(at, at + byteLength));
    const result = await scanner.runScan(slab, {
      scan: what,
      rows: task.rows,
      rowLength,
      input,
      sumsAt: 0,
    });
    if (result.fault)
      throw faultError({ parts, sourceRow, task: { ...task, inputs: [input] } }, result.fault);
    results.push(result);
  }
  return results;
}
