import type { Context } from "./context.ts";

/** The parameters of one hyper-connection: mixing rows `fn` [rows, n H], `scale` and `base` (model spec 3.3). */
export interface MhcWeights {
  readonly fn: Float32Array;
  readonly scale: Float32Array;
  readonly base: Float32Array;
}

/** How the streams of tokens enter a sublayer and take up its output. */
export interface Mixings {
  /** Sublayer input [tokens, H]. */
  readonly x: Float32Array;
  /** Weight of the sublayer's output in each stream [tokens, n]. */
  readonly post: Float32Array;
  /** Doubly stochastic mixing of the streams [tokens, n, n], row = source. */
  readonly a: Float32Array;
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** m = (fn . v) * rsqrt(mean(v^2) + eps), v = the streams of one token, one after the other: [tokens, rows of fn]. */
function mixes({ config, kernels }: Context, streams: Float32Array, fn: Float32Array): Float32Array {
  const width = config.mhc.streams * config.hiddenSize;
  const tokens = streams.length / width;
  const rows = fn.length / width;
  const m = new Float32Array(tokens * rows);
  const bytes = new Uint8Array(fn.buffer, fn.byteOffset, fn.byteLength);
  kernels.gemm({
    x: streams,
    rows: tokens,
    cols: width,
    weights: { format: "f32", bytes },
    out: m,
    outRows: rows,
  });
  for (let t = 0; t < tokens; t++) {
    let square = 0;
    for (let i = t * width; i < (t + 1) * width; i++) square += streams[i] * streams[i];
    const scale = 1 / Math.sqrt(square / width + config.rmsNormEpsilon);
    for (let row = 0; row < rows; row++) m[t * rows + row] *= scale;
  }
  return m;
}

/** In front of a sublayer: x = sum_i pre[i] X[i], and what `hcOut` needs afterwards. */
export function hcIn(context: Context, streams: Float32Array, { fn, scale, base }: MhcWeights): Mixings {
  const { config, kernels } = context;
  const { streams: n, epsilon, sinkhornIterations } = config.mhc;
  const m = mixes(context, streams, fn);
  const rows = (2 + n) * n;
  const tokens = m.length / rows;
  const pre = new Float32Array(tokens * n);
  const post = new Float32Array(tokens * n);
  const mixing = new Float32Array(tokens * n * n);
  const a = new Float64Array(n * n);
  for (let t = 0; t < tokens; t++) {
    const at = t * rows;
    for (let i = 0; i < n; i++) {
      pre[t * n + i] = sigmoid(m[at + i] * scale[0] + base[i]) + epsilon;
      post[t * n + i] = 2 * sigmoid(m[at + n + i] * scale[1] + base[n + i]);
    }
    for (let k = 0; k < n * n; k++) a[k] = m[at + 2 * n + k] * scale[2] + base[2 * n + k];
    sinkhorn(a, n, epsilon, sinkhornIterations);
    mixing.set(a, t * n * n);
  }
  const x = new Float32Array(tokens * config.hiddenSize);
  kernels.streamsIn(streams, n, pre, x);
  return { x, post, a: mixing };
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
export function hcOut(
  { kernels }: Context,
  streams: Float32Array,
  y: Float32Array,
  { post, a }: Mixings,
): void {
  kernels.streamsOut(streams, y, post, a);
}

/** The streams collapsed to the model's output [tokens, H]; no Sinkhorn, the weights need not sum to 1. */
export function hcCollapse(
  context: Context,
  streams: Float32Array,
  { fn, scale, base }: MhcWeights,
): Float32Array {
  const { hiddenSize, mhc } = context.config;
  const n = mhc.streams;
  const pre = mixes(context, streams, fn).map((m, i) => sigmoid(m * scale[0] + base[i % n]) + mhc.epsilon);
  const x = new Float32Array((pre.length / n) * hiddenSize);
  context.kernels.streamsIn(streams, n, pre, x);
  return x;
}
