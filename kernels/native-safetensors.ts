import type { SafetensorsKernels } from "./safetensors.ts";
import { normaliseImportance } from "./scalar/importance.ts";

type Bytes = Uint8Array;
type Scales = Uint8Array | Float32Array;

/** The part of the addon behind safetensors outputs; `set` is an index into its list. See kernels/c/addon-safetensors.h. */
export interface SafetensorsAddon {
  scanFp4(set: number, codes: Bytes, scales: Bytes, span: Bytes): number;
  fp4ToNvfp4(
    ...args: [set: number, codes: Bytes, scales: Bytes, exponent: number, Bytes, Bytes, Uint32Array]
  ): number;
  encodeNvfp4Groups(
    ...args: [set: number, src: Float32Array, scale2: number, Bytes, Bytes, number, Float32Array | null]
  ): number;
  decodeNvfp4Groups(set: number, codes: Bytes, scales: Bytes, scale2: number, dst: Float32Array): number;
  fp4ToF8(
    ...args: [set: number, Bytes, Bytes, number, number, number, dstScales: Scales, Bytes, Uint32Array]
  ): number;
  encodeF8(
    ...args: [set: number, Float32Array, number, number, number, dstScales: Scales, dst: Bytes]
  ): number;
  encodeInt4(
    ...args: [
      ...[set: number, src: Float32Array, rowLength: number, group: number, f16: boolean],
      ...[packed: Bytes, scales: Bytes, zeroPoints: Bytes | null, importance: Float32Array | null],
    ]
  ): number;
  decodeInt4(
    ...args: [number, number, number, f16: boolean, Bytes, Bytes, zeroPoints: Bytes | null, Float32Array]
  ): number;
  encodeMlxAffine(
    ...args: [
      ...[set: number, src: Float32Array, rowLength: number, group: number, bits: number],
      ...[packed: Bytes, scales: Bytes, biases: Bytes, importance: Float32Array | null],
    ]
  ): number;
  decodeMlxAffine(
    ...args: [number, number, number, bits: number, Bytes, Bytes, biases: Bytes, dst: Float32Array]
  ): number;
  decodeF8Bf16(
    ...args: [set: number, Bytes, cols: number, Scales, number, number, number, dst: Bytes, Uint32Array]
  ): number;
  decodeFp4Bf16(set: number, codes: Bytes, scales: Bytes, dst: Bytes, inexact: Uint32Array): number;
}

export function safetensorsOf(addon: SafetensorsAddon, set: number): SafetensorsKernels {
  const weightsOf = (importance: Float32Array | undefined) =>
    importance ? normaliseImportance(importance) : null;
  return {
    scanFp4: (codes, scales, span) => addon.scanFp4(set, codes, scales, span),
    fp4ToNvfp4: (codes, scales, exponent, dstCodes, dstScales, changed) =>
      addon.fp4ToNvfp4(set, codes, scales, exponent, dstCodes, dstScales, changed),
    encodeNvfp4Groups: (src, scale2, dstCodes, dstScales, { rowLength, importance }) =>
      addon.encodeNvfp4Groups(set, src, scale2, dstCodes, dstScales, rowLength, weightsOf(importance)),
    decodeNvfp4Groups: (codes, scales, scale2, dst) =>
      addon.decodeNvfp4Groups(set, codes, scales, scale2, dst),
    fp4ToF8: (codes, scales, { cols, blockRows, blockCols, scales: dstScales }, dst, changed) =>
      addon.fp4ToF8(set, codes, scales, cols, blockRows, blockCols, dstScales, dst, changed),
    encodeF8: (src, { cols, blockRows, blockCols, scales }, dst) =>
      addon.encodeF8(set, src, cols, blockRows, blockCols, scales, dst),
    encodeInt4: (src, { rowLength, group, scaleFormat, packed, scales, zeroPoints }, importance) =>
      addon.encodeInt4(
        ...([set, src, rowLength, group, scaleFormat === "f16", packed, scales] as const),
        ...([zeroPoints ?? null, weightsOf(importance)] as const),
      ),
    decodeInt4: ({ rowLength, group, scaleFormat, packed, scales, zeroPoints }, dst) =>
      addon.decodeInt4(
        ...([set, rowLength, group, scaleFormat === "f16", packed, scales, zeroPoints ?? null, dst] as const),
      ),
    encodeMlxAffine: (src, { rowLength, group, bits, packed, scales, biases }, importance) =>
      addon.encodeMlxAffine(
        ...([set, src, rowLength, group, bits, packed, scales, biases] as const),
        weightsOf(importance),
      ),
    decodeMlxAffine: ({ rowLength, group, bits, packed, scales, biases }, dst) =>
      addon.decodeMlxAffine(set, rowLength, group, bits, packed, scales, biases, dst),
    decodeF8Bf16: (codes, cols, { values, blockRows, blockCols, firstRow }, dst, inexact) =>
      addon.decodeF8Bf16(set, codes, cols, values, blockRows, blockCols, firstRow, dst, inexact),
    decodeFp4Bf16: (codes, scales, dst, inexact) => addon.decodeFp4Bf16(set, codes, scales, dst, inexact),
  };
}
