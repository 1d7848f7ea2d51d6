import type { ModelConfig } from "../model/config.ts";

/** The parameters of one hyper-connection: mixing rows `fn` [rows, n H], `scale` and `base` (model spec 3.3). */
export interface MhcWeights {
  readonly fn: Float32Array;
  readonly scale: Float32Array;
  readonly base: Float32Array;
}

/** How a token's streams enter a sublayer and take up its output. */
export interface Mixing {
  /** Sublayer input [H]. */
  readonly x: Float32Array;
  /** Weight of the sublayer's output in each stream [n]. */
  readonly post: Float64Array;
  /** Doubly stochastic mixing of the streams [n, n], row = source. */
  readonly a: Float64Array;
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** m = (fn . v) * rsqrt(mean(v^2) + eps), v = the streams of one token, one after the other. */
function mixes(streams: Float32Array, fn: Float32Array, epsilon: number): Float64Array {
  const width = streams.length;
  let square = 0;
  for (let i = 0; i < width; i++) square += streams[i] * streams[i];
  const scale = 1 / Math.sqrt(square / width + epsilon);
  return Float64Array.from({ length: fn.length / width }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += fn[row * width + i] * streams[i];
    return sum * scale;
  });
}

/** sum_i pre[i] X[i] */
function weigh(streams: Float32Array, pre: Float64Array): Float32Array {
  const hidden = streams.length / pre.length;
  return Float32Array.from({ length: hidden }, (_, k) =>
    pre.reduce((sum, p, i) => sum + p * streams[i * hidden + k], 0),
  );
}

/** Pre-mix of one token's streams [n, H] in front of a sublayer. */
export function hcIn(streams: Float32Array, { fn, scale, base }: MhcWeights, config: ModelConfig): Mixing {
  const { streams: n, epsilon, sinkhornIterations } = config.mhc;
  const m = mixes(streams, fn, config.rmsNormEpsilon);
  const pre = Float64Array.from({ length: n }, (_, i) => sigmoid(m[i] * scale[0] + base[i]) + epsilon);
  const post = Float64Array.from({ length: n }, (_, i) => 2 * sigmoid(m[n + i] * scale[1] + base[n + i]));
  const a = Float64Array.from({ length: n * n }, (_, k) => m[2 * n + k] * scale[2] + base[2 * n + k]);
  sinkhorn(a, n, epsilon, sinkhornIterations);
  return { x: weigh(streams, pre), post, a };
}

/** Softmax of the rows, then columns and rows normalised in turn, ending with columns. */
function sinkhorn(a: Float64Array, n: number, epsilon: number, iterations: number): void {
  for (let i = 0; i < n; i++) {
    const row = a.subarray(i * n, (i + 1) * n);
    const peak = Math.max(...row);
    const total = row.reduce((sum, value) => sum + Math.exp(value - peak), 0);
    for (let j = 0; j < n; j++) row[j] = Math.exp(row[j] - peak) / total + epsilon;
  }
  const normalise = (start: number, step: number): void => {
    let total = epsilon;
    for (let k = 0; k < n; k++) total += a[start + k * step];
    for (let k = 0; k < n; k++) a[start + k * step] /= total;
  };
  const columns = (): void => {
    for (let j = 0; j < n; j++) normalise(j, n);
  };
  columns();
  for (let iteration = 1; iteration < iterations; iteration++) {
    for (let i = 0; i < n; i++) normalise(i * n, 1);
    columns();
  }
}

/** X'[j] = post[j] y + sum_i A[i, j] X[i]: the sum runs over the FIRST index of A. In place. */
export function hcOut(streams: Float32Array, y: Float32Array, { post, a }: Mixing): void {
  const n = post.length;
  const hidden = y.length;
  const old = new Float64Array(n);
  for (let k = 0; k < hidden; k++) {
    for (let i = 0; i < n; i++) old[i] = streams[i * hidden + k];
    for (let j = 0; j < n; j++) {
      let sum = post[j] * y[k];
      for (let i = 0; i < n; i++) sum += a[i * n + j] * old[i];
      streams[j * hidden + k] = sum;
    }
  }
}

/** The streams of one token collapsed to the model's output [H]; no Sinkhorn, the weights need not sum to 1. */
export function hcCollapse(
  streams: Float32Array,
  { fn, scale, base }: MhcWeights,
  config: ModelConfig,
): Float32Array {
  const m = mixes(streams, fn, config.rmsNormEpsilon);
  return weigh(
    streams,
    m.map((value, i) => sigmoid(value * scale[0] + base[i]) + config.mhc.epsilon),
  );
}
