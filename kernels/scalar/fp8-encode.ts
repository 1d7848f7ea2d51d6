import type { F8Blocks } from "../safetensors.ts";
import { E2M1, E8M0 } from "./fp4.ts";
import { f32ToE4m3 } from "./fp8.ts";
import { checkCount } from "./nvfp4-modelopt.ts";

/** Scale byte of a block without a non-zero value: 1. */
const ONE = 127;

/** Checks the block geometry against the number of codes; returns [rows, scale columns]. */
function geometryOf(name: string, length: number, dst: Uint8Array, blocks: F8Blocks): [number, number] {
  const { cols, blockRows, blockCols, scales } = blocks;
  const rows = length / cols;
  const sizes = [cols, blockRows, blockCols];
  if (!sizes.every((n) => Number.isInteger(n) && n >= 1))
    throw new RangeError(`${name}: rows of ${cols}, blocks of ${blockRows} x ${blockCols}`);
  const scaleCols = Math.ceil(cols / blockCols);
  if (
    !Number.isInteger(rows) ||
    dst.length !== length ||
    scales.length !== Math.ceil(rows / blockRows) * scaleCols
  )
    throw new RangeError(
      `${name}: ${length} values in rows of ${cols}, ${dst.length} codes and ${scales.length} scales out`,
    );
  return [rows, scaleCols];
}

/** Calls `block` for every block, row of blocks by row of blocks. */
function forEachBlock(
  rows: number,
  { cols, blockRows, blockCols, scales }: F8Blocks,
  block: (rowFrom: number, rowTo: number, colFrom: number, colTo: number) => number,
): void {
  const asBytes = scales instanceof Uint8Array;
  for (let row = 0, at = 0; row < rows; row += blockRows)
    for (let col = 0; col < cols; col += blockCols, at++) {
      const byte = block(row, Math.min(rows, row + blockRows), col, Math.min(cols, col + blockCols));
      scales[at] = asBytes ? byte : E8M0[byte];
    }
}

/** See `SafetensorsKernels.fp4ToF8`. */
export function fp4ToF8(
  codes: Uint8Array,
  scales: Uint8Array,
  blocks: F8Blocks,
  dst: Uint8Array,
  changed: Uint32Array,
): number {
  const { cols } = blocks;
  const [rows] = geometryOf("fp4ToF8", 2 * codes.length, dst, blocks);
  const rowGroups = rows > 0 ? scales.length / rows : 1;
  const group = cols / rowGroups;
  if (!(Number.isInteger(rowGroups) && Number.isInteger(group) && group % 2 === 0))
    throw new RangeError(`fp4ToF8: ${scales.length} scales for ${rows} rows of ${cols}`);
  checkCount("fp4ToF8", changed);
  const reserved = scales.indexOf(255);
  if (reserved >= 0) return reserved;
  const codeAt = (i: number) => (codes[i >> 1] >> (4 * (i & 1))) & 15;
  const scaleAt = (row: number, col: number) => scales[row * rowGroups + Math.floor(col / group)];
  forEachBlock(rows, blocks, (rowFrom, rowTo, colFrom, colTo) => {
    let greatest = -1;
    for (let row = rowFrom; row < rowTo; row++)
      for (let col = colFrom; col < colTo; col++)
        if (codeAt(row * cols + col) & 7) greatest = Math.max(greatest, scaleAt(row, col));
    // 6 * 2^6 = 384 is the largest product that an E4M3 number holds.
    const byte = greatest < 0 ? ONE : Math.max(0, greatest - 6);
    for (let row = rowFrom; row < rowTo; row++)
      for (let col = colFrom; col < colTo; col++) {
        const code = codeAt(row * cols + col);
        const value = E2M1[code & 7] * 2 ** (scaleAt(row, col) - byte);
        const rounded = f32ToE4m3(value);
        dst[row * cols + col] = rounded | (code & 8 ? 128 : 0);
        if (value > 0 && !isE4m3(value)) changed[0]++;
      }
    return byte;
  });
  return -1;
}

/** Whether an FP4 value times a power of two, at most 384, is an E4M3 number: a multiple of 2^-9 will do. */
function isE4m3(value: number): boolean {
  return Number.isInteger(value * 512);
}

const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

/** The E8M0 byte of 2^ceil(log2(peak / 448)): 448 is 1.75 2^8. Exact, on the bits. */
function scaleByte(peak: number): number {
  if (peak === 0) return ONE;
  word[0] = peak;
  const above = (bits[0] & 0x7fffff) > 0x600000 ? 1 : 0;
  return Math.max(0, (bits[0] >>> 23) - 8 + above);
}

/** See `SafetensorsKernels.encodeF8`. */
export function encodeF8(src: Float32Array, blocks: F8Blocks, dst: Uint8Array): number {
  const { cols } = blocks;
  const [rows] = geometryOf("encodeF8", src.length, dst, blocks);
  for (let i = 0; i < src.length; i++) if (!Number.isFinite(src[i])) return i;
  forEachBlock(rows, blocks, (rowFrom, rowTo, colFrom, colTo) => {
    let peak = 0;
    for (let row = rowFrom; row < rowTo; row++)
      for (let col = colFrom; col < colTo; col++) peak = Math.max(peak, Math.abs(src[row * cols + col]));
    const byte = scaleByte(peak);
    const inverse = 2 ** (127 - byte);
    for (let row = rowFrom; row < rowTo; row++)
      for (let col = colFrom; col < colTo; col++) {
        const x = src[row * cols + col];
        const negative = x < 0 || Object.is(x, -0);
        dst[row * cols + col] = f32ToE4m3(Math.fround(Math.abs(x) * inverse)) | (negative ? 128 : 0);
      }
    return byte;
  });
  return -1;
}
