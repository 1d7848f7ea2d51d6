import { type AttentionState, type AttentionWeights, attention } from "./attention.ts";
import type { Context } from "./context.ts";
import { hcIn, hcOut, type MhcWeights } from "./mhc.ts";
import { type MoeWeights, moe } from "./moe.ts";
import { rmsNorm } from "./norm.ts";

export interface LayerWeights {
  readonly ratio: number;
  readonly attnMhc: MhcWeights;
  readonly attnNorm: Float32Array;
  readonly attention: AttentionWeights;
  readonly ffnMhc: MhcWeights;
  readonly ffnNorm: Float32Array;
  readonly moe: MoeWeights;
}

/** Consecutive tokens of one sequence, from `position` on. */
export interface Segment {
  readonly state: AttentionState;
  readonly position: number;
  readonly count: number;
}

/** Sees the choices of a layer, which a small error can flip. `token` counts through the segments of the call. */
export interface LayerObserver {
  /** The routed experts of a token. */
  experts?(token: number, ids: Int32Array): void;
  /** The compressed rows that the indexer chose among more. */
  rows?(token: number, indices: Int32Array): void;
}

/**
 * One block (model spec 3.2): the streams [tokens, n, H] are updated in place. The tokens `ids` are those of the
 * segments, one after the other; each sequence attends to itself, the experts take the tokens of all together.
 */
export async function runLayer(
  context: Context,
  weights: LayerWeights,
  segments: readonly Segment[],
  streams: Float32Array,
  ids: readonly number[],
  observer: LayerObserver = {},
): Promise<void> {
  const { hiddenSize } = context.config;
  await sublayer(context, streams, weights.attnMhc, weights.attnNorm, async (x) => {
    const y = new Float32Array(x.length);
    let first = 0;
    for (const { state, position, count } of segments) {
      const [from, to] = [first * hiddenSize, (first + count) * hiddenSize];
      const onRows = (i: number, rows: Int32Array): void => observer.rows?.(first + i, rows);
      const own = x.subarray(from, to);
      y.set(attention(context, weights.ratio, weights.attention, state, own, position, onRows), from);
      first += count;
    }
    return y;
  });
  await sublayer(context, streams, weights.ffnMhc, weights.ffnNorm, (x) =>
    moe(context, weights.moe, x, ids, observer.experts),
  );
}

async function sublayer(
  context: Context,
  streams: Float32Array,
  mhc: MhcWeights,
  norm: Float32Array,
  run: (x: Float32Array) => Promise<Float32Array>,
): Promise<void> {
  const { hiddenSize, rmsNormEpsilon } = context.config;
  const { bf16 } = context.rounding;
  const mixings = hcIn(context, streams, mhc);
  const y = await run(bf16(rmsNorm(bf16(mixings.x), hiddenSize, rmsNormEpsilon, norm)));
  hcOut(context, streams, y, mixings);
  bf16(streams);
}
