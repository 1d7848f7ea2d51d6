import type { ModelConfig } from "../model/config.ts";
import {
  type CompressorState,
  type CompressorTraits,
  compressToken,
  createCompressorState,
} from "./compressor.ts";
import type { Context } from "./context.ts";
import { selectRows } from "./indexer.ts";
import type { Linear } from "./linear.ts";
import { rmsNorm } from "./norm.ts";
import { ropeFrequencies, rotate, rotationAt } from "./rope.ts";
import { RowBuffer } from "./row-buffer.ts";

export interface CompressorWeights {
  readonly wkv: Linear;
  readonly wgate: Linear;
  readonly ape: Float32Array;
  readonly norm: Float32Array;
}

export interface AttentionWeights {
  readonly wqA: Linear;
  readonly qNorm: Float32Array;
  readonly wqB: Linear;
  readonly wkv: Linear;
  readonly kvNorm: Float32Array;
  readonly woA: Linear;
  readonly woB: Linear;
  readonly sinks: Float32Array;
  /** CSA and HCA layers. */
  readonly compressor?: CompressorWeights;
  /** CSA layers. */
  readonly indexer?: {
    readonly wqB: Linear;
    readonly weightsProj: Linear;
    readonly compressor: CompressorWeights;
  };
}

/** What a layer's attention keeps of the tokens it has seen (model spec 4.1). */
export interface AttentionState {
  /**
   * Keys, which are values too: the last `slidingWindow` tokens in a ring, token t at row t mod slidingWindow, and
   * behind the ring the compressed rows.
   */
  readonly keys: RowBuffer;
  readonly compressed?: CompressorState;
  readonly index?: CompressorState;
}

export function createAttentionState(config: ModelConfig, ratio: number): AttentionState {
  const keys = new RowBuffer(config.headDim, config.slidingWindow);
  return {
    keys,
    ...(ratio !== 0 && { compressed: createCompressorState(keys) }),
    ...(ratio === 4 && { index: createCompressorState(new RowBuffer(config.indexer.headDim)) }),
  };
}

/**
 * Attention of `count` consecutive tokens from `position` on (model spec 3.4). x is [count, H], already normed.
 * `onRows` hears which compressed rows the indexer chose for the i-th token where it had a choice.
 */
export function attention(
  context: Context,
  ratio: number,
  weights: AttentionWeights,
  state: AttentionState,
  x: Float32Array,
  position: number,
  onRows?: (i: number, rows: Int32Array) => void,
): Float32Array {
  const { config, rounding, kernels } = context;
  const {
    headCount,
    headDim,
    hiddenSize,
    qLoraRank,
    rmsNormEpsilon: epsilon,
    outputGroups,
    slidingWindow: window,
    indexer,
  } = config;
  const { bf16, activation } = rounding;
  const count = x.length / hiddenSize;
  const frequencies = ropeFrequencies(config, ratio);
  const x8 = activation(x, hiddenSize);
  const qr = bf16(rmsNorm(bf16(weights.wqA.apply(x8, count)), qLoraRank, epsilon, weights.qNorm));
  const qr8 = activation(qr, qLoraRank);
  const q = bf16(rmsNorm(bf16(weights.wqB.apply(qr8, count)), headDim, epsilon));
  const kv = bf16(rmsNorm(bf16(weights.wkv.apply(x8, count)), headDim, epsilon, weights.kvNorm));
  const compressor = weights.compressor && projections(weights.compressor, x, count);
  const traits = (
    w: CompressorWeights,
    dim: number,
    finish: (row: Float32Array) => void,
  ): CompressorTraits => ({
    ratio,
    dim,
    ape: w.ape,
    norm: w.norm,
    epsilon,
    frequencies,
    bf16,
    finish,
  });
  const rowTraits =
    weights.compressor &&
    traits(weights.compressor, headDim, (row) => rounding.cachedRow(row, config.ropeDim));
  const index = weights.indexer && {
    ...projections(weights.indexer.compressor, x, count),
    traits: traits(weights.indexer.compressor, indexer.headDim, rounding.indexRow),
    q: bf16(weights.indexer.wqB.apply(qr8, count)),
    u: bf16(weights.indexer.weightsProj.apply(x, count)),
  };
  const out = new Float32Array(count * headCount * headDim);
  for (let i = 0; i < count; i++) {
    const t = position + i;
    const rotation = rotationAt(t, frequencies);
    const row = rowOf(kv, i);
    rotate(row, headDim, rotation);
    bf16(row);
    rounding.cachedRow(row, config.ropeDim);
    state.keys.set(t % window, row);
    let compressed: Int32Array = NO_ROWS;
    if (state.compressed && compressor && rowTraits) {
      compressToken(state.compressed, rowTraits, t, rowOf(compressor.a, i), rowOf(compressor.g, i));
      const visible = Math.floor((t + 1) / ratio);
      if (state.index && index) {
        compressToken(state.index, index.traits, t, rowOf(index.a, i), rowOf(index.g, i));
        if (visible > indexer.topK) {
          const queries = rowOf(index.q, i);
          compressed = selectRows(
            context,
            state.index.rows.first(visible),
            queries,
            rowOf(index.u, i),
            rotation,
          );
          onRows?.(i, compressed);
        }
      }
      // No choice: all rows that are closed.
      if (compressed.length === 0) compressed = Int32Array.from({ length: visible }, (_, j) => j);
    }
    const queries = rowOf(q, i);
    rotate(queries, headDim, rotation);
    bf16(queries);
    const outputs = rowOf(out, i);
    // One softmax over raw and compressed rows together; the sink takes part in the denominator only.
    kernels.attend({
      q: queries,
      headDim,
      keys: state.keys.first(state.keys.length),
      index: keyRows(t, window, compressed),
      scale: headDim ** -0.5,
      sinks: weights.sinks,
      out: outputs,
    });
    bf16(outputs);
    rotate(outputs, headDim, rotation, true);
    bf16(outputs);
  }
  // wo_a has its codes multiplied in BF16: no rounding of its input to FP8.
  const u = bf16(groupedProjection(weights.woA, out, count, outputGroups));
  return bf16(weights.woB.apply(activation(u, weights.woB.in), count));

  function rowOf(values: Float32Array, i: number): Float32Array {
    const width = values.length / count;
    return values.subarray(i * width, (i + 1) * width);
  }
}

const NO_ROWS = new Int32Array(0);

/** Where the keys of token t lie: its window, oldest first, then the compressed rows. */
function keyRows(t: number, window: number, compressed: Int32Array): Int32Array {
  const first = Math.max(0, t - window + 1);
  const raw = t - first + 1;
  const rows = new Int32Array(raw + compressed.length);
  for (let s = first; s <= t; s++) rows[s - first] = s % window;
  for (let j = 0; j < compressed.length; j++) rows[raw + j] = window + compressed[j];
  return rows;
}

const projections = ({ wkv, wgate }: CompressorWeights, x: Float32Array, count: number) => ({
  a: wkv.apply(x, count),
  g: wgate.apply(x, count),
});

/** u[t, g] = wo_a[rows of group g] . o[t, g]: each run of heads has its own low-rank projection. */
function groupedProjection(woA: Linear, o: Float32Array, count: number, groups: number): Float32Array {
  const rank = woA.out / groups;
  const u = new Float32Array(count * woA.out);
  const gathered = new Float32Array(count * woA.in);
  for (let g = 0; g < groups; g++) {
    for (let t = 0; t < count; t++) {
      const from = (t * groups + g) * woA.in;
      gathered.set(o.subarray(from, from + woA.in), t * woA.in);
    }
    const part = woA.apply(gathered, count, { first: g * rank, count: rank });
    for (let t = 0; t < count; t++) u.set(part.subarray(t * rank, (t + 1) * rank), t * woA.out + g * rank);
  }
  return u;
}
