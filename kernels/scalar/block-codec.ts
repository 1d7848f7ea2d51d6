/**
 * One block format as two functions on one block. This is the shape of every scalar twin: the code between
 * these braces, in f32 (`Math.fround` after each operation) and in this order, is the format's specification.
 */
export interface BlockCodec {
  readonly blockLength: number;
  readonly blockBytes: number;
  /** The largest magnitude that can be encoded; F16_MAX if not given. Above it `encode` returns the position. */
  readonly largest?: number;
  /** Decodes the block at byte `at` to `dst[to ...]`; false if a reserved scale byte makes it meaningless. */
  decodeBlock(src: Uint8Array, at: number, dst: Float32Array, to: number): boolean;
  /**
   * Encodes `blockLength` finite values from `src[from ...]` to byte `at`. `importance` (if given) is normalised
   * (see normaliseImportance) and belongs to the same elements, starting at `weightsFrom`.
   */
  encodeBlock?(
    src: Float32Array,
    from: number,
    dst: Uint8Array,
    at: number,
    importance?: Float32Array,
    weightsFrom?: number,
  ): void;
}
