/**
 * The kernels behind safetensors outputs: recompression of the official packed FP4 where it is exact, and the
 * formats that vLLM and SGLang read. The rules of kernels.ts hold: whole rows (or whole rows of blocks) per call,
 * nothing allocated, lengths checked with RangeError, and OK or the first offending position returned.
 *
 * Packed 4-bit codes are bytes with the even column in the low nibble, throughout.
 */
import type { EncodeOptions, F8Scales } from "./kernels.ts";

/** Scale bytes of an FP4 tensor that matter: [least, greatest] over groups with a non-zero code. Merge by min and max. */
export const EMPTY_SPAN: readonly [number, number] = [255, 0];

/**
 * The k for which `weight_scale_2 = 2^k` keeps most of a scanned tensor exact. E4M3 holds the powers of two 2^-9 ..
 * 2^8; the greatest scale is put at the top, where E4M3 has its normal numbers and where an inexact group costs most,
 * but k is never so small that 2^k would be subnormal. Everything is exact if `greatest - least <= 17`.
 */
export function nvfp4Exponent(span: ArrayLike<number>): number {
  const [least, greatest] = [span[0], span[1]];
  if (least > greatest) return 0;
  return Math.max(greatest - 127 - 8, -126);
}

/** Where an FP8 encoder writes its scales: one per block, row-major [ceil(rows/blockRows), ceil(cols/blockCols)]. */
export interface F8Blocks {
  readonly cols: number;
  readonly blockRows: number;
  readonly blockCols: number;
  /** E8M0 bytes or F32 values; the numbers are the same powers of two. */
  readonly scales: Uint8Array | Float32Array;
}

/**
 * A matrix in compressed-tensors "pack-quantized" int4, as bytes: y = (code - zero point) scale, with zero point 8 if
 * there are none.
 */
export interface Int4Matrix {
  /** Columns; a multiple of `group`. */
  readonly rowLength: number;
  readonly group: 32 | 64 | 128;
  /** `weight_packed`, I32 words: element 8k + i of a row in bits 4i .. 4i + 3. */
  readonly packed: Uint8Array;
  readonly scaleFormat: "bf16" | "f16";
  /** `weight_scale`, [rows, cols/group], two bytes each. */
  readonly scales: Uint8Array;
  /** `weight_zero_point`, I32 words [ceil(rows/8), cols/group]: row 8k + i in bits 4i .. 4i + 3. */
  readonly zeroPoints?: Uint8Array;
}

/** A matrix as MLX quantizes it in mode "affine", as bytes: y = code scale + bias. */
export interface MlxAffineMatrix {
  /** Columns; a multiple of `group`. */
  readonly rowLength: number;
  readonly group: 32 | 64 | 128;
  readonly bits: 4 | 8;
  /** `weight`, U32 words, the first element in the lowest bits: so the even column in the low nibble, or a byte each. */
  readonly packed: Uint8Array;
  /** `scales` and `biases`, BF16 [rows, cols/group]. */
  readonly scales: Uint8Array;
  readonly biases: Uint8Array;
}

export interface SafetensorsKernels {
  /**
   * Widens `span` (two bytes, see EMPTY_SPAN) by the scales of all groups with a non-zero code. Groups are a multiple
   * of 16 columns. Returns OK, or the index of the first scale byte 255.
   */
  scanFp4(codes: Uint8Array, scales: Uint8Array, span: Uint8Array): number;

  /**
   * Packed FP4 to ModelOpt NVFP4 under weight_scale_2 = 2^exponent: codes [rows, cols/2] and E4M3 scales [rows,
   * cols/16]. A group whose power of two is an E4M3 number keeps its codes; any other is searched anew, and added to
   * `changed[0]` unless its values happen to survive. Returns OK, or the index of the first scale byte 255.
   */
  fp4ToNvfp4(
    codes: Uint8Array,
    scales: Uint8Array,
    exponent: number,
    dstCodes: Uint8Array,
    dstScales: Uint8Array,
    changed: Uint32Array,
  ): number;

  /**
   * f32 rows to ModelOpt NVFP4 under weight_scale_2 = `scale2` (usually max|W| / 2688). No scale is ever 0. Returns OK,
   * or the index of the first element that is not finite or beyond 2689 scale2, which no scale reaches.
   */
  encodeNvfp4Groups(
    src: Float32Array,
    scale2: number,
    dstCodes: Uint8Array,
    dstScales: Uint8Array,
    options: EncodeOptions,
  ): number;

  /** The inverse, y = E2M1(code) (e4m3(scale) scale2). Returns OK, or the index of the first NaN scale (7F, FF). */
  decodeNvfp4Groups(codes: Uint8Array, scales: Uint8Array, scale2: number, dst: Float32Array): number;

  /**
   * Packed FP4 (any group; whole rows of blocks) to E4M3 codes [rows, cols] under block scales 2^(e - 127 - 6), e the
   * greatest scale of the block's non-zero codes, at least 2^-127. Exact for every group at most 14 binades below e;
   * each other value is rounded to nearest even, and those that changed are added to `changed[0]`. A block of
   * zeros has scale 1. Returns OK, or the index of the first scale byte 255.
   */
  fp4ToF8(
    codes: Uint8Array,
    scales: Uint8Array,
    blocks: F8Blocks,
    dst: Uint8Array,
    changed: Uint32Array,
  ): number;

  /**
   * f32 rows (whole rows of blocks) to E4M3 codes, to nearest even, under block scales 2^ceil(log2(max|x| / 448)), at
   * least 2^-127, so that nothing saturates. A block of zeros has scale 1. Returns OK, or the index of the first
   * element that is not finite.
   */
  encodeF8(src: Float32Array, blocks: F8Blocks, dst: Uint8Array): number;

  /**
   * f32 rows to int4 groups, by search for the scale (and zero point, if `dst.zeroPoints` is given; rows then begin at
   * a multiple of 8) with the least weighted error. A group of zeros has scale 1. Returns OK, or the index of the first
   * element that is not finite or too large (above 65504 with f16 scales, 2^60 with bf16).
   */
  encodeInt4(src: Float32Array, dst: Int4Matrix, importance?: Float32Array): number;

  /** Returns OK, or the index of the first scale that is not finite. */
  decodeInt4(src: Int4Matrix, dst: Float32Array): number;

  /**
   * f32 rows to MLX's affine groups, by search for the scale (of either sign) and the bias with the least weighted error
   * after rounding both to bf16; never worse than MLX's own rule. A group of zeros has scale 1. Returns OK, or the
   * index of the first element that is not finite or above 2^60.
   */
  encodeMlxAffine(src: Float32Array, dst: MlxAffineMatrix, importance?: Float32Array): number;

  /**
   * In f32, where the product of a bf16 and a code is exact; MLX may round to its own dtype. Returns OK, or the index
   * of the first group whose scale or bias is not finite.
   */
  decodeMlxAffine(src: MlxAffineMatrix, dst: Float32Array): number;

  /**
   * As `decodeF8`, rounded to bf16 (little-endian). Values that differ from the f32, or are infinite in it, are added
   * to `inexact[0]`.
   */
  decodeF8Bf16(
    codes: Uint8Array,
    cols: number,
    scales: F8Scales,
    dst: Uint8Array,
    inexact: Uint32Array,
  ): number;

  /** As `decodeFp4`, to bf16. Inexact only where a value is beyond f32: scale bytes 253 and 254. */
  decodeFp4Bf16(codes: Uint8Array, scales: Uint8Array, dst: Uint8Array, inexact: Uint32Array): number;
}
