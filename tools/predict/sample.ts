import type { CensusEntry } from "../model/census.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";
import type { PlannedTensor } from "../plan/output-plan.ts";
import { type Piece, piecesOf } from "../quantize/pieces.ts";
import { valuesOf, type WorkClass } from "./work.ts";

export interface SampleSize {
  /** Values wanted, as far as the class has them. */
  readonly values: number;
  /** Pieces to share them out over, so that all workers have work at once. */
  readonly pieces: number;
}

/** Some rows of some matrices of a class, each a matrix of its own: work like the whole class, only less. */
export function sampleOf({ tensors }: WorkClass, { values, pieces }: SampleSize): PlannedTensor[] {
  const sample: PlannedTensor[] = [];
  const available = tensors.reduce((count, tensor) => count + piecesOf(tensor).length, 0);
  let missing = values;
  for (const piece of spread(tensors)) {
    const cut = cutPiece(piece, values / Math.min(pieces, available));
    sample.push(cut);
    missing -= valuesOf(cut);
    if (missing <= 0) break;
  }
  return sample;
}

/** w1, w2 and w3 of an expert: the first and the last share a scale in some formats, and are looked at once for both. */
const NEIGHBOURS = 3;

/** Pieces of tensors over the whole class: a checkpoint's ends need not be like its middle, nor its disk. */
function* spread(tensors: readonly PlannedTensor[]): Generator<Piece> {
  const runs = Math.ceil(tensors.length / NEIGHBOURS);
  const order = Array.from({ length: runs }, (_, i) => i).sort((a, b) => reversed(a) - reversed(b));
  const iterators = order.map((run) =>
    tensors.slice(run * NEIGHBOURS, (run + 1) * NEIGHBOURS).flatMap((tensor) => piecesOf(tensor)),
  );
  for (let i = 0; iterators.some((pieces) => i < pieces.length); i += NEIGHBOURS)
    for (const pieces of iterators) yield* pieces.slice(i, i + NEIGHBOURS);
}

/** The bits of a number back to front: counting up in it lands everywhere before it lands twice near one place. */
function reversed(index: number): number {
  let result = 0;
  for (let bit = 0; bit < 24; bit++) if (index & (1 << bit)) result |= 1 << (23 - bit);
  return result;
}

/** The first rows of a piece, about `values` of them, in whole blocks of rows. */
function cutPiece({ tensor, parts, rows }: Piece, values: number): PlannedTensor {
  const unit = Math.max(
    1,
    ...tensor.outputs.map(({ rowsPerUnit }) => rowsPerUnit),
    ...parts.map(({ entry }) => entry.scale?.blockRows ?? 1),
  );
  const kept = Math.min(rows, unit * Math.max(1, Math.round(values / tensor.rowLength / unit)));
  return {
    ...tensor,
    rows: kept,
    outputs: tensor.outputs.map((output) =>
      output.rowsPerUnit === 0
        ? output
        : {
            ...output,
            shape: [Math.ceil(kept / output.rowsPerUnit), output.shape.at(-1) as number],
          },
    ),
    parts: parts.map((part) => ({ ...part, rowStart: 0, entry: cutEntry(part.entry, kept) })),
    ...(tensor.scaledWith && { scaledWith: tensor.scaledWith.map((entry) => cutEntry(entry, kept)) }),
  };
}

function cutEntry(entry: CensusEntry, rows: number): CensusEntry {
  const { spec, weight, scale } = entry;
  if (spec.shape.length === 1) return entry;
  return {
    ...entry,
    spec: { ...spec, shape: [rows, ...spec.shape.slice(1)] },
    weight: cutTensor(weight, rows),
    ...(scale && {
      scale: { ...scale, tensor: cutTensor(scale.tensor, Math.ceil(rows / scale.blockRows)) },
    }),
  };
}

/** A stored tensor as if it ended after some rows; where its bytes lie stays known to its source. */
const cutTensor = (tensor: StoredTensor, rows: number): StoredTensor => ({
  ...tensor,
  shape: [rows, ...tensor.shape.slice(1)],
  byteLength: (tensor.byteLength / tensor.shape[0]) * rows,
});
