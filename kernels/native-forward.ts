import type { ForwardKernels } from "./forward.ts";
import { scalar } from "./scalar/index.ts";

/** The addon's functions for a forward pass. See kernels/c/addon-forward.h. */
export interface ForwardAddon {
  gemm(
    set: number,
    x: Float32Array,
    rows: number,
    xStride: number,
    cols: number,
    kind: number,
    codes: Uint8Array,
    scales: Uint8Array | Float32Array | null,
    blockRows: number,
    blockCols: number,
    firstRow: number,
    outRows: number,
    out: Float32Array,
    outStride: number,
    threads: number,
  ): number;
  rmsNorm(set: number, ...rest: Parameters<ForwardKernels["rmsNorm"]>): void;
  softmax(set: number, ...rest: Parameters<ForwardKernels["softmax"]>): void;
  swiglu(set: number, ...rest: Parameters<ForwardKernels["swiglu"]>): void;
  hadamard(set: number, ...rest: Parameters<ForwardKernels["hadamard"]>): void;
  topK(set: number, ...rest: Parameters<ForwardKernels["topK"]>): void;
  attend(
    set: number,
    q: Float32Array,
    dim: number,
    keys: Float32Array,
    index: Int32Array,
    scale: number,
    sinks: Float32Array | null,
    out: Float32Array,
    threads: number,
  ): void;
  indexScores(set: number, ...rest: Parameters<ForwardKernels["indexScores"]>): void;
  roundF8(set: number, ...rest: Parameters<ForwardKernels["roundF8"]>): number;
  roundF4(set: number, ...rest: Parameters<ForwardKernels["roundF4"]>): number;
  roundBf16(set: number, ...rest: Parameters<ForwardKernels["roundBf16"]>): void;
  streamsIn(set: number, ...rest: [...Parameters<ForwardKernels["streamsIn"]>, number]): void;
  streamsOut(set: number, ...rest: [...Parameters<ForwardKernels["streamsOut"]>, number]): void;
}

const FP4 = -1;
const F8 = -2;

/**
 * One compiled set's part for a forward pass; `formats` gives the addon's index of a stored format. Products and
 * attention use up to `threads` threads.
 */
export function forwardOf(
  addon: ForwardAddon,
  set: number,
  formats: ReadonlyMap<string, number>,
  threads: number,
): ForwardKernels {
  return {
    gemm(options) {
      const { x, rows, cols, xStride = cols, weights, out, outRows, outStride = outRows } = options;
      const multiply = (
        kind: number,
        codes: Uint8Array,
        scales: Uint8Array | Float32Array | null,
        ...geometry: [number, number, number]
      ) =>
        addon.gemm(
          set,
          x,
          rows,
          xStride,
          cols,
          kind,
          codes,
          scales,
          ...geometry,
          outRows,
          out,
          outStride,
          threads,
        );
      if (weights.format === "fp4") return multiply(FP4, weights.codes, weights.scales, 1, 1, 0);
      if (weights.format === "f8") {
        const { values, blockRows, blockCols, firstRow } = weights.scales;
        return multiply(F8, weights.codes, values, blockRows, blockCols, firstRow);
      }
      const kind = formats.get(weights.format);
      return kind === undefined ? scalar.gemm(options) : multiply(kind, weights.bytes, null, 1, 1, 0);
    },
    rmsNorm: (...rest) => addon.rmsNorm(set, ...rest),
    softmax: (...rest) => addon.softmax(set, ...rest),
    swiglu: (...rest) => addon.swiglu(set, ...rest),
    hadamard: (...rest) => addon.hadamard(set, ...rest),
    topK: (...rest) => addon.topK(set, ...rest),
    attend: ({ q, headDim, keys, index, scale, sinks, out }) =>
      addon.attend(set, q, headDim, keys, index, scale, sinks ?? null, out, threads),
    indexScores: (...rest) => addon.indexScores(set, ...rest),
    roundF8: (...rest) => addon.roundF8(set, ...rest),
    roundF4: (...rest) => addon.roundF4(set, ...rest),
    roundBf16: (...rest) => addon.roundBf16(set, ...rest),
    streamsIn: (...rest) => addon.streamsIn(set, ...rest, threads),
    streamsOut: (...rest) => addon.streamsOut(set, ...rest, threads),
  };
}
