import { rmsNorm } from "./norm.ts";
import { rotate } from "./rope.ts";
import type { Rounding } from "./rounding.ts";
import { RowBuffer } from "./row-buffer.ts";

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

/** The finished rows, and the tokens of the open block (and, for CSA, of the block before). */
export interface CompressorState {
  readonly rows: RowBuffer;
  /** Projections a and gates g of the open block's tokens, `[token, halves * dim]`. */
  readonly open: { readonly a: Float32Array[]; readonly g: Float32Array[] };
  readonly previous: { a: readonly Float32Array[]; g: readonly Float32Array[] };
}

export const createCompressorState = (dim: number): CompressorState => ({
  rows: new RowBuffer(dim),
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
  const candidates = [
    ...state.open.a.map((a, i) => ({ a, g: state.open.g[i], from: overlap ? dim : 0 })),
    ...(overlap ? state.previous.a.map((a, i) => ({ a, g: state.previous.g[i], from: 0 })) : []),
  ];
  const row = new Float32Array(dim);
  for (let k = 0; k < dim; k++) {
    const peak = Math.max(...candidates.map(({ g, from }) => g[from + k]));
    let total = 0;
    let sum = 0;
    for (const { a, g, from } of candidates) {
      const weight = Math.exp(g[from + k] - peak);
      total += weight;
      sum += weight * a[from + k];
    }
    row[k] = sum / total;
  }
  bf16(rmsNorm(bf16(row), dim, epsilon, norm));
  rotate(row, blockStart, frequencies);
  bf16(row);
  finish(row);
  return row;
}
