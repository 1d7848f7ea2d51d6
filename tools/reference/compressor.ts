import { rmsNorm } from "./norm.ts";
import { rotate, rotationAt } from "./rope.ts";
import type { Rounding } from "./rounding.ts";
import type { RowBuffer } from "./row-buffer.ts";

/** What turns runs of tokens into compressed rows (model spec 3.5): CSA (ratio 4, overlapping), HCA (ratio 128). */
export interface CompressorTraits {
  readonly ratio: number;
  /** Width of a compressed row. */
  readonly dim: number;
  readonly ape: Float32Array;
  readonly norm: Float32Array;
  readonly epsilon: number;
  readonly frequencies: Float32Array;
  readonly bf16: Rounding["bf16"];
  /** In-place rounding of a finished row (qat and official numerics). */
  readonly finish: (row: Float32Array) => void;
}

/** Where finished rows go, and the tokens of the open block (and, for CSA, of the block before). */
export interface CompressorState {
  readonly rows: RowBuffer;
  /** Projections a and gates g of the open block's tokens, `[token, halves * dim]`. */
  readonly open: { readonly a: Float32Array[]; readonly g: Float32Array[] };
  readonly previous: { a: readonly Float32Array[]; g: readonly Float32Array[] };
}

export const createCompressorState = (rows: RowBuffer): CompressorState => ({
  rows,
  open: { a: [], g: [] },
  previous: { a: [], g: [] },
});

/**
 * Takes token `position` with its projection a = wkv x and gate g = wgate x, both [halves * dim]. When the token
 * closes a block, the block's row is finished and becomes visible to this very token.
 */
export function compressToken(
  state: CompressorState,
  traits: CompressorTraits,
  position: number,
  a: Float32Array,
  g: Float32Array,
): void {
  const { ratio, ape } = traits;
  const width = a.length;
  const slot = position % ratio;
  state.open.a.push(a.slice());
  state.open.g.push(g.map((value, k) => value + ape[slot * width + k]));
  if (slot !== ratio - 1) return;
  state.rows.push(finishRow(state, traits, position - ratio + 1));
  state.previous.a = state.open.a.splice(0);
  state.previous.g = state.open.g.splice(0);
}

function finishRow(
  state: CompressorState,
  { dim, norm, epsilon, frequencies, bf16, finish, ratio }: CompressorTraits,
  blockStart: number,
): Float32Array {
  // CSA: the current block contributes its second half, the block before it (if any) its first half.
  const overlap = ratio === 4;
  const half = (row: Float32Array, from: number): Float32Array => row.subarray(from, from + dim);
  const from = overlap ? dim : 0;
  const a = state.open.a.map((row) => half(row, from));
  const g = state.open.g.map((row) => half(row, from));
  if (overlap) {
    a.push(...state.previous.a.map((row) => half(row, 0)));
    g.push(...state.previous.g.map((row) => half(row, 0)));
  }
  const row = softmaxPool(a, g, dim);
  bf16(rmsNorm(bf16(row), dim, epsilon, norm));
  rotate(row, dim, rotationAt(blockStart, frequencies));
  bf16(row);
  finish(row);
  return row;
}

/** P[k] = sum_c softmax_c(g[c][k]) a[c][k]: every channel has its own softmax over the candidates. */
function softmaxPool(a: readonly Float32Array[], g: readonly Float32Array[], dim: number): Float32Array {
  const peak = new Float64Array(dim).fill(Number.NEGATIVE_INFINITY);
  for (const gates of g) for (let k = 0; k < dim; k++) if (gates[k] > peak[k]) peak[k] = gates[k];
  const total = new Float64Array(dim);
  const sum = new Float64Array(dim);
  for (const [c, gates] of g.entries())
    for (let k = 0; k < dim; k++) {
      const weight = Math.exp(gates[k] - peak[k]);
      total[k] += weight;
      sum[k] += weight * a[c][k];
    }
  return Float32Array.from(sum, (value, k) => value / total[k]);
}
