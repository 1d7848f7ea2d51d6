import type { DecodableFormat, F8Scales } from "./kernels.ts";

/**
 * What a kernel set offers to a forward pass. Unlike encoders and decoders these may differ in the last bits
 * between instruction sets; on one set a result never depends on how rows, columns or heads are cut into calls.
 * Only `roundF8`, `roundF4`, `roundBf16`, `topK`, `hadamard`, `streamsIn` and `streamsOut` give identical bits everywhere.
 *
 * A length that does not fit throws RangeError. Nothing here keeps a reference to what it is given.
 */

/** A matrix [n, cols], row-major, as a checkpoint stores it. */
export type Weights =
  /** Elements or ggml blocks; `cols` is a whole number of blocks. */
  | { readonly format: DecodableFormat; readonly bytes: Uint8Array }
  /** FP8 E4M3FN codes with block scales, see `Kernels.decodeF8`. */
  | { readonly format: "f8"; readonly codes: Uint8Array; readonly scales: F8Scales }
  /** Packed FP4 with E8M0 scales [n, cols / group], see `Kernels.decodeFp4`. */
  | { readonly format: "fp4"; readonly codes: Uint8Array; readonly scales: Uint8Array };

/**
 * out[m, n] = x[m, k] . W[n, k]^T. A stride is the distance between rows in values (default: no gap); a view
 * with a stride may end at the end of its last row, so `out.subarray(column)` names columns of a wider matrix and
 * threads may write disjoint column ranges of one matrix.
 */
export interface GemmOptions {
  readonly x: Float32Array;
  /** m */
  readonly rows: number;
  /** k */
  readonly cols: number;
  readonly xStride?: number;
  readonly weights: Weights;
  readonly out: Float32Array;
  /** n */
  readonly outRows: number;
  readonly outStride?: number;
}

/** One token: every head attends over the same rows, which are keys and values at once. */
export interface AttendOptions {
  /** [heads, headDim] */
  readonly q: Float32Array;
  readonly headDim: number;
  /** [any, headDim] */
  readonly keys: Float32Array;
  /** Which rows of `keys`; a row named twice counts twice. An index outside throws. */
  readonly index: Int32Array;
  readonly scale: number;
  /** One logit per head that enters the denominator and has no value. */
  readonly sinks?: Float32Array;
  /** [heads, headDim] */
  readonly out: Float32Array;
}

export interface ForwardKernels {
  /** Returns OK, or the first row of the weights that holds a code or a scale without a value; `out` is then undefined. */
  gemm(options: GemmOptions): number;

  /** out = x / sqrt(mean(x^2) + epsilon) * weight, per row of `cols`. `out` may be `x`. */
  rmsNorm(
    x: Float32Array,
    cols: number,
    epsilon: number,
    weight: Float32Array | null,
    out: Float32Array,
  ): void;

  /** In place, per row: exp(x - peak) / (sum + exp(sink - peak)); `sinks` has one logit per row. */
  softmax(x: Float32Array, cols: number, sinks: Float32Array | null): void;

  /** G = min(gate, limit), U = clamp(up, -limit, limit): out = weight * G * sigmoid(G) * U; one weight per row. `out` may be an input. */
  swiglu(
    gate: Float32Array,
    up: Float32Array,
    cols: number,
    limit: number,
    weights: Float32Array | null,
    out: Float32Array,
  ): void;

  /** In place, rows of a power of two: natural (Sylvester) order, times cols^-0.5; its own inverse. */
  hadamard(x: Float32Array, cols: number): void;

  /** The `indices.length` largest, by value descending, equal ones by index ascending. NaN ranks as -infinity. */
  topK(values: Float32Array, indices: Int32Array): void;

  /** out[h] = sum_j p_j key_j, p = softmax over `index` of q[h] . key * scale, with the head's sink. */
  attend(options: AttendOptions): void;

  /** out[j] = sum_h weights[h] * max(0, q[h] . keys[j]): the lightning indexer. q [heads, dim], keys [n, dim], out [n]. */
  indexScores(
    q: Float32Array,
    weights: Float32Array,
    keys: Float32Array,
    dim: number,
    out: Float32Array,
  ): void;

  /**
   * FQ8: rounds the first `cols` of every `stride` values to E4M3 times a power-of-two scale per `group` (a
   * multiple of 16), in place. scale = 2^ceil(log2(max(max|x|, 1e-4) / 448)). With group 128 it is the rounding
   * of activations before an FP8 product. Returns OK or the position of the first value that is not finite.
   */
  roundF8(x: Float32Array, stride: number, cols: number, group: number): number;

  /** FQ4: the same with E2M1; scale = 2^ceil(log2(max(max|x|, 6 * 2^-126) / 6)). */
  roundF4(x: Float32Array, stride: number, cols: number, group: number): number;

  /** out[t] = sum_i pre[t, i] X[t, i]: streams X [tokens, n, hidden] weighed by pre [tokens, n] into out [tokens, hidden]. */
  streamsIn(streams: Float32Array, n: number, pre: Float32Array, out: Float32Array): void;

  /** X'[t, j] = post[t, j] y[t] + sum_i mix[t, i, j] X[t, i], in place: the sum runs over the FIRST index of mix [tokens, n, n]. */
  streamsOut(streams: Float32Array, y: Float32Array, post: Float32Array, mix: Float32Array): void;

  /** In place, to the nearest bfloat16, ties to even. */
  roundBf16(x: Float32Array): void;
}
