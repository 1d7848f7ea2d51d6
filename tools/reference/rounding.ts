import type { ForwardKernels } from "../../kernels/forward.ts";
import { OK } from "../../kernels/kernels.ts";
import { dataError } from "../lib/errors.ts";

/**
 * `fp32`: no rounding of activations (mode A of the model spec). `qat`: the in-place rounding of cached rows and of
 * the indexer that the model was trained with. `official`: what the released code computes (mode B): qat, BF16
 * streams and sublayer values, and FP8 activations in front of the products whose weights it stores as FP8 or FP4.
 */
export const NUMERICS = ["fp32", "qat", "official"] as const;
export type Numerics = (typeof NUMERICS)[number];

/**
 * The rounding points of a forward pass. Each stands in the code where the model spec has it and is the identity in
 * the numerics without it.
 *
 * Which products round their input to FP8 depends on the ROLE of the matrix in the official release (spec 3.0),
 * never on how the checkpoint at hand stores it: a BF16, NVFP4 or GGUF copy of `wq_a` is judged by the activations
 * that `wq_a` meets officially. Roles with FP8 input: wq_a, wq_b, wkv, wo_b, indexer.wq_b, the w1, w2, w3 of routed
 * and shared experts, e_proj and h_proj. BF16 input and output: wo_a, indexer.weights_proj. fp32: gate, compressor
 * wkv and wgate, hc_*_fn, head.
 *
 * Not followed: the order of fp32 sums, softmax weights in BF16 before the product with the values (the quotient is
 * rounded all the same), BF16 steps inside the norm of a query head (one rounding at its end, as the spec advises),
 * and BF16 scores of single indexer heads (their weighted sum is rounded).
 */
export interface Rounding {
  /** To BF16, in place; returns x. */
  readonly bf16: (x: Float32Array) => Float32Array;
  /** AQ128: what an FP8 product sees of rows of `width` values, in groups of 128; x itself stays as it is. */
  readonly activation: (x: Float32Array, width: number) => Float32Array;
  /** A key-value or compressed row: FQ8 in groups of 64 on the dimensions that are not rotated, in place. */
  readonly cachedRow: (row: Float32Array, ropeDim: number) => void;
  /** An indexer row or query: Hadamard, then FQ4 in groups of 32. Without FQ4 the Hadamard cancels and is left out. */
  readonly indexRow: (row: Float32Array) => void;
}

const same = (x: Float32Array): Float32Array => x;
const ACTIVATION_GROUP = 128;

export function roundingOf(numerics: Numerics, kernels: ForwardKernels): Rounding {
  if (numerics === "fp32") return { bf16: same, activation: same, cachedRow: () => {}, indexRow: () => {} };
  const finite = (result: number): void => {
    if (result !== OK)
      throw dataError({
        what: "the forward pass meets a value that is not finite, which FP8 and FP4 cannot hold",
        next: "look for NaN, infinities or absurd scales among the weights",
      });
  };
  const cachedRow = (row: Float32Array, ropeDim: number): void =>
    finite(kernels.roundF8(row, row.length, row.length - ropeDim, 64));
  const fq4 = (row: Float32Array): void => finite(kernels.roundF4(row, row.length, row.length, 32));
  const hadamard = (row: Float32Array): Float32Array => {
    kernels.hadamard(row, row.length);
    return row;
  };
  if (numerics === "qat")
    return { bf16: same, activation: same, cachedRow, indexRow: (row) => fq4(hadamard(row)) };
  const bf16 = (x: Float32Array): Float32Array => {
    kernels.roundBf16(x);
    return x;
  };
  return {
    bf16,
    activation(x, width) {
      if (width % ACTIVATION_GROUP !== 0)
        throw dataError({
          what: "official numerics round the input of FP8 products in whole groups",
          expected: `a multiple of ${ACTIVATION_GROUP} inputs`,
          found: `${width}`,
        });
      const rounded = x.slice();
      finite(kernels.roundF8(rounded, width, width, ACTIVATION_GROUP));
      return rounded;
    },
    cachedRow,
    indexRow: (row) => fq4(bf16(hadamard(row))),
  };
}
