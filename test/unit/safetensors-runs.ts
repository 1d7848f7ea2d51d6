import { expect } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import type { Int4Matrix, MlxAffineMatrix } from "../../kernels/safetensors.ts";
import { createRandom } from "./kernel-inputs.ts";

/** One call of each kernel behind safetensors outputs as a record of everything it gave, for comparison. */
export interface Outcome {
  readonly position: number;
  readonly count?: number;
  readonly arrays: readonly (Uint8Array | Float32Array)[];
}

const count = () => new Uint32Array(1);

/** Packed FP4: random codes, scales from `scaleOf`. */
export function packedFp4(rows: number, cols: number, scaleOf: (g: number) => number, group = 32, seed = 1) {
  const random = createRandom(seed);
  const codes = Uint8Array.from({ length: (rows * cols) / 2 }, () => random() * 256);
  const scales = Uint8Array.from({ length: (rows * cols) / group }, (_, g) => scaleOf(g));
  return { codes, scales, rows, cols };
}

export type PackedFp4 = ReturnType<typeof packedFp4>;

export function toNvfp4(kernels: Kernels, { codes, scales }: PackedFp4, exponent: number): Outcome {
  const arrays = [new Uint8Array(codes.length), new Uint8Array(codes.length / 8)] as const;
  const changed = count();
  const position = kernels.fp4ToNvfp4(codes, scales, exponent, ...arrays, changed);
  return { position, count: changed[0], arrays };
}

export function encodeNvfp4(
  kernels: Kernels,
  src: Float32Array,
  scale2: number,
  rowLength: number,
  importance?: Float32Array,
): Outcome {
  const arrays = [new Uint8Array(src.length / 2), new Uint8Array(src.length / 16)] as const;
  const options = { rowLength, ...(importance && { importance }) };
  return { position: kernels.encodeNvfp4Groups(src, scale2, ...arrays, options), arrays };
}

export function decodeNvfp4(kernels: Kernels, { arrays }: Outcome, scale2: number): Float32Array {
  const [codes, scales] = arrays as [Uint8Array, Uint8Array];
  const dst = new Float32Array(2 * codes.length);
  expect(kernels.decodeNvfp4Groups(codes, scales, scale2, dst)).toBe(-1);
  return dst;
}

export interface Geometry {
  readonly cols: number;
  readonly blockRows: number;
  readonly blockCols: number;
}

function f8Arrays(length: number, { cols, blockRows, blockCols }: Geometry, kind: "e8m0" | "f32") {
  const blocks = Math.ceil(length / cols / blockRows) * Math.ceil(cols / blockCols);
  return [
    new Uint8Array(length),
    kind === "e8m0" ? new Uint8Array(blocks) : new Float32Array(blocks),
  ] as const;
}

export function toF8(
  kernels: Kernels,
  fp4: PackedFp4,
  geometry: Geometry,
  kind: "e8m0" | "f32" = "e8m0",
): Outcome {
  const arrays = f8Arrays(2 * fp4.codes.length, geometry, kind);
  const changed = count();
  const blocks = { ...geometry, scales: arrays[1] };
  const position = kernels.fp4ToF8(fp4.codes, fp4.scales, blocks, arrays[0], changed);
  return { position, count: changed[0], arrays };
}

export function encodeF8(
  kernels: Kernels,
  src: Float32Array,
  geometry: Geometry,
  kind: "e8m0" | "f32" = "e8m0",
): Outcome {
  const arrays = f8Arrays(src.length, geometry, kind);
  return { position: kernels.encodeF8(src, { ...geometry, scales: arrays[1] }, arrays[0]), arrays };
}

export function decodeF8(kernels: Kernels, { arrays }: Outcome, geometry: Geometry): Float32Array {
  const { cols, blockRows, blockCols } = geometry;
  const dst = new Float32Array(arrays[0].length);
  const scales = { values: arrays[1], blockRows, blockCols, firstRow: 0 };
  expect(kernels.decodeF8(arrays[0] as Uint8Array, cols, scales, dst)).toBe(-1);
  return dst;
}

export type Int4Shape = Pick<Int4Matrix, "rowLength" | "group" | "scaleFormat"> & {
  readonly asymmetric: boolean;
};

export function int4Matrix(length: number, { asymmetric, ...shape }: Int4Shape): Int4Matrix {
  const groups = length / shape.group;
  const words = Math.ceil(length / shape.rowLength / 8) * (shape.rowLength / shape.group);
  return {
    ...shape,
    packed: new Uint8Array(length / 2),
    scales: new Uint8Array(2 * groups),
    ...(asymmetric && { zeroPoints: new Uint8Array(4 * words).fill(0xa5) }),
  };
}

export function encodeInt4(
  kernels: Kernels,
  src: Float32Array,
  shape: Int4Shape,
  importance?: Float32Array,
): Outcome & { matrix: Int4Matrix } {
  const matrix = int4Matrix(src.length, shape);
  const position = kernels.encodeInt4(src, matrix, importance);
  const arrays = [matrix.packed, matrix.scales, ...(matrix.zeroPoints ? [matrix.zeroPoints] : [])];
  return { position, arrays, matrix };
}

export function decodeInt4(kernels: Kernels, matrix: Int4Matrix): Float32Array {
  const dst = new Float32Array(2 * matrix.packed.length);
  expect(kernels.decodeInt4(matrix, dst)).toBe(-1);
  return dst;
}

export type MlxShape = Pick<MlxAffineMatrix, "rowLength" | "group" | "bits">;

export function mlxMatrix(length: number, shape: MlxShape): MlxAffineMatrix {
  const bytes = (2 * length) / shape.group;
  return {
    ...shape,
    packed: new Uint8Array((length * shape.bits) / 8),
    scales: new Uint8Array(bytes),
    biases: new Uint8Array(bytes),
  };
}

export function encodeMlxAffine(
  kernels: Kernels,
  src: Float32Array,
  shape: MlxShape,
  importance?: Float32Array,
): Outcome & { matrix: MlxAffineMatrix } {
  const matrix = mlxMatrix(src.length, shape);
  const position = kernels.encodeMlxAffine(src, matrix, importance);
  return { position, arrays: [matrix.packed, matrix.scales, matrix.biases], matrix };
}

export function decodeMlxAffine(kernels: Kernels, matrix: MlxAffineMatrix): Float32Array {
  const dst = new Float32Array((8 * matrix.packed.length) / matrix.bits);
  expect(kernels.decodeMlxAffine(matrix, dst)).toBe(-1);
  return dst;
}

/** bf16 bytes widened. */
export function widenBf16(bytes: Uint8Array): Float32Array {
  return new Float32Array(
    Uint32Array.from({ length: bytes.length / 2 }, (_, i) => (bytes[2 * i] | (bytes[2 * i + 1] << 8)) << 16)
      .buffer,
  );
}

export function fp4ToBf16(kernels: Kernels, { codes, scales }: PackedFp4): Outcome {
  const dst = new Uint8Array(4 * codes.length);
  const inexact = count();
  const position = kernels.decodeFp4Bf16(codes, scales, dst, inexact);
  return { position, count: inexact[0], arrays: [dst] };
}

export function f8ToBf16(
  kernels: Kernels,
  codes: Uint8Array,
  values: Uint8Array | Float32Array,
  geometry: Geometry,
  firstRow = 0,
): Outcome {
  const { cols, blockRows, blockCols } = geometry;
  const dst = new Uint8Array(2 * codes.length);
  const inexact = count();
  const scales = { values, blockRows, blockCols, firstRow };
  return {
    position: kernels.decodeF8Bf16(codes, cols, scales, dst, inexact),
    count: inexact[0],
    arrays: [dst],
  };
}

/** Same position, same count, same bytes; names the first difference instead of printing buffers. */
export function expectSame(ours: Outcome, twin: Outcome, name: string): void {
  expect(`${name}: ${ours.position} ${ours.count}`).toBe(`${name}: ${twin.position} ${twin.count}`);
  if (twin.position !== -1) return;
  ours.arrays.forEach((array, k) => {
    const bytes = [array, twin.arrays[k]].map((a) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength));
    if (Buffer.compare(bytes[0], bytes[1]) === 0) return;
    const at = bytes[0].findIndex((byte, i) => byte !== bytes[1][i]);
    expect(`${name}: array ${k}, byte ${at} is ${bytes[0][at]}`).toBe(
      `${name}: array ${k}, byte ${at} is ${bytes[1][at]}`,
    );
  });
}
