import type { ForwardKernels } from "./forward.ts";
import type { SafetensorsKernels } from "./safetensors.ts";

/**
 * What a kernel set offers. Kernels are mathematics only: they know no file and no tensor name, import
 * nothing else of ours, never allocate, and may be given views on SharedArrayBuffers.
 *
 * Every call works on whole rows or whole blocks, so a tensor may be cut into row ranges in any way, on any
 * number of threads, and the bytes do not change. All sets give identical bytes; `scalar` is the specification.
 *
 * Lengths are checked by the callee: a mismatch throws RangeError, never reads past the end. A value that
 * cannot be processed (NaN, infinity, a reserved scale byte) is reported by position, not by exception,
 * because only the caller knows the tensor's name: every call returns `OK` or the index of the first
 * offending element in the unit stated.
 */
export const OK = -1;

/** `scalar` is TypeScript; `plain` is the C sources without vector instructions. */
export type KernelSetName = "scalar" | "plain" | "avx2" | "avx512" | "neon" | "cuda";

/** Formats that one call can decode: plain element types and ggml block formats, spelled as upstream spells them. */
export type DecodableFormat =
  | "f32"
  | "f16"
  | "bf16"
  | "q4_0"
  | "q4_1"
  | "q5_0"
  | "q5_1"
  | "q8_0"
  | "q2_K"
  | "q3_K"
  | "q4_K"
  | "q5_K"
  | "q6_K"
  | "iq2_xxs"
  | "iq2_xs"
  | "iq2_s"
  | "iq3_xxs"
  | "iq3_s"
  | "iq4_nl"
  | "iq4_xs"
  | "mxfp4"
  | "nvfp4";

/** Formats that one call can encode. */
export type EncodableFormat = Exclude<DecodableFormat, "q4_1" | "q5_0" | "q5_1">;

export interface EncodeOptions {
  /** Elements per row; a whole number of blocks. */
  readonly rowLength: number;
  /** One weight >= 0 per column (length `rowLength`), the same for every row. Formats that cannot use it ignore it. */
  readonly importance?: Float32Array;
}

/** Block scales of an FP8 matrix: `w[o,i] = e4m3(code[o,i]) * scale[(o + firstRow) div blockRows, i div blockCols]`. */
export interface F8Scales {
  /** E8M0 bytes (value 2^(byte-127), 255 reserved) or F32 values, row-major [ceil(rows/blockRows), ceil(cols/blockCols)]. */
  readonly values: Uint8Array | Float32Array;
  readonly blockRows: number;
  readonly blockCols: number;
  /** Row of the whole matrix at which the given codes begin, relative to the first scale row given. */
  readonly firstRow: number;
}

/** Sums over two arrays of values; a NaN anywhere shows in all of them. */
export interface Comparison {
  readonly unequal: number;
  /** sum (y - x)^2 */
  readonly squaredError: number;
  readonly squaredReference: number;
  readonly squaredCandidate: number;
  /** sum x y */
  readonly product: number;
  readonly maxDifference: number;
}

export interface Kernels extends ForwardKernels, SafetensorsKernels {
  readonly set: KernelSetName;

  /** Blocks or elements to f32. `dst.length` elements are decoded. Returns OK, or the index of the first reserved scale byte's block. */
  decode(format: DecodableFormat, src: Uint8Array, dst: Float32Array): number;

  /**
   * f32 rows to blocks or elements, round to nearest even. Returns OK, or the index of the first element that
   * is not finite or too large for the format (above 65504 where the scale is an f16); `dst` is then undefined.
   */
  encode(format: EncodableFormat, src: Float32Array, dst: Uint8Array, options: EncodeOptions): number;

  /** FP8 E4M3FN codes [rows, cols] with block scales to f32. Returns OK, or the index of the first element without a value: a NaN code (7F, FF) or a reserved scale. */
  decodeF8(codes: Uint8Array, cols: number, scales: F8Scales, dst: Float32Array): number;

  /**
   * Packed FP4 as in the official checkpoint (`codes` [rows, cols/2], low nibble = even column; `scales` E8M0
   * [rows, cols/group]) to f32; the group is what the two lengths say. Returns OK, or the index of the first scale byte 255.
   */
  decodeFp4(codes: Uint8Array, scales: Uint8Array, dst: Float32Array): number;

  /** The same source, groups of 32, to ggml MXFP4 blocks: bytes move, no value changes. Returns OK, or the index of the first scale byte 255. */
  repackMxfp4(codes: Uint8Array, scales: Uint8Array, dst: Uint8Array): number;

  /**
   * Compares MXFP4 blocks with the packed FP4 (groups of 32) that they were made of, value by value, and widens `span`
   * (two bytes: least, greatest) by the scale bytes of all groups before the first that differs, groups of zeros
   * included. Values are equal where the scale bytes are and the codes mean the same (-0 is 0). Returns OK, or the index
   * of the first value that differs; all values of a group differ where the scale bytes do, or where the source's is 255.
   */
  matchFp4(codes: Uint8Array, scales: Uint8Array, blocks: Uint8Array, span: Uint8Array): number;

  /** How far `y` is from `x`, value by value: the same sums on every set. */
  compare(x: Float32Array, y: Float32Array): Comparison;

  /**
   * Adds the square of every value of rows [rows, cols] to its column's sum (cols = `sums.length`), rows in ascending
   * order, in float64: any cut into row ranges, taken in order, gives the same sums. A NaN or an infinity shows in its
   * column. `src` and `sums` must not overlap.
   */
  columnEnergy(src: Float32Array, sums: Float64Array): void;
}
