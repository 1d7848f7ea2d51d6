import type { Int4Matrix } from "../safetensors.ts";
import { clamp, inverseIf, roundEven } from "./f32.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./float16.ts";
import { normaliseImportance } from "./importance.ts";
import { BF16_SCALE_MAX, BF16_SCALE_TINY, F16_MAX, TINY } from "./limits.ts";

const fround = Math.fround;

/** The stored scale: how it is narrowed, what peak it allows, and below what peak a group counts as zeros. */
const SCALES = {
  bf16: { narrow: f32ToBf16, widen: bf16ToF32, largest: BF16_SCALE_MAX, tiny: BF16_SCALE_TINY },
  f16: { narrow: f32ToF16, widen: f16ToF32, largest: F16_MAX, tiny: TINY },
};

/** Scales tried, in eightieths of the one that spans the group; the usual one first, and the first of equals wins. */
const EIGHTIETHS = [80, ...Array.from({ length: 23 }, (_, i) => 64 + i).filter((n) => n !== 80)];

/** Checks lengths; returns [rows, groups per row]. */
function geometryOf(name: string, length: number, matrix: Int4Matrix): [number, number] {
  const { rowLength, group, packed, scales, zeroPoints } = matrix;
  const rows = length / rowLength;
  const rowGroups = rowLength / group;
  if (
    ![32, 64, 128].includes(group) ||
    !(rowLength > 0 && Number.isInteger(rowGroups) && Number.isInteger(rows)) ||
    2 * packed.length !== length ||
    scales.length !== 2 * rows * rowGroups ||
    (zeroPoints && zeroPoints.length !== 4 * Math.ceil(rows / 8) * rowGroups)
  )
    throw new RangeError(
      `${name}: ${length} values, rows of ${rowLength}, groups of ${group}, ${packed.length} code bytes, ` +
        `${scales.length} scale bytes, ${zeroPoints?.length ?? 0} zero point bytes`,
    );
  return [rows, rowGroups];
}

/** The byte and shift at which a row's zero point sits among the words of eight rows. */
function zeroPointAt(row: number, rowGroups: number, g: number): [number, number] {
  return [4 * (Math.floor(row / 8) * rowGroups + g) + ((row & 7) >> 1), 4 * (row & 1)];
}

/** One group under search: its values and weights, and the best scale and zero point so far. */
interface Search {
  readonly x: Float32Array;
  readonly weights?: Float32Array | undefined;
  scale: number;
  zeroPoint: number;
  error: number;
}

/** Distance of a value from the zero point, in steps. */
function stepsOf(x: number, inverse: number, zeroPoint: number): number {
  return roundEven(clamp(fround(x * inverse), -zeroPoint, 15 - zeroPoint));
}

function tryScale(search: Search, scale: number, zeroPoint: number): void {
  const { x, weights } = search;
  const inverse = inverseIf(scale > 0, scale);
  let error = 0;
  for (let i = 0; i < x.length; i++) {
    const difference = fround(fround(stepsOf(x[i], inverse, zeroPoint) * scale) - x[i]);
    const square = fround(difference * difference);
    error = fround(error + (weights ? fround(weights[i] * square) : square));
  }
  if (error < search.error) Object.assign(search, { scale, zeroPoint, error });
}

/** The scale of least squares for the codes of the best scale so far. */
function leastSquares({ x, weights, scale, zeroPoint }: Search): number {
  const inverse = inverseIf(scale > 0, scale);
  let [product, square] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    const steps = stepsOf(x[i], inverse, zeroPoint);
    const weighted = weights ? fround(weights[i] * steps) : steps;
    product = fround(product + fround(weighted * x[i]));
    square = fround(square + fround(weighted * steps));
  }
  return square > 0 ? fround(product / square) : 0;
}

/**
 * Symmetric: codes -8 .. 7, scales around max|x| / 7.5. Asymmetric: scales around the range / 15, each with the zero
 * point that centres the range and its two neighbours. Then twice the scale of least squares for the codes found.
 * Every scale is tried as it will be stored.
 */
function searchGroup(
  x: Float32Array,
  weights: Float32Array | undefined,
  { scaleFormat, zeroPoints }: Int4Matrix,
): Search {
  const { narrow, widen, tiny } = SCALES[scaleFormat];
  const search: Search = { x, weights, scale: 0, zeroPoint: 8, error: Number.POSITIVE_INFINITY };
  const stored = (scale: number) => widen(narrow(scale));
  let [low, high] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    low = Math.min(low, x[i]);
    high = Math.max(high, x[i]);
  }
  const span = zeroPoints ? fround(high - low) : Math.max(high, -low);
  if (span < tiny) return search;
  const base = fround(span / (zeroPoints ? 15 : 7.5));
  const middle = fround(fround(low + high) * 0.5);
  for (const eightieths of EIGHTIETHS) {
    const scale = stored(fround(base * fround(eightieths / 80)));
    if (zeroPoints) {
      const shift = fround(middle * inverseIf(scale > 0, scale));
      const centre = roundEven(clamp(fround(7.5 - shift), 0, 15));
      for (const step of [0, -1, 1]) tryScale(search, scale, clamp(centre + step, 0, 15));
    } else {
      tryScale(search, scale, 8);
    }
  }
  for (let i = 0; i < 2; i++) tryScale(search, stored(leastSquares(search)), search.zeroPoint);
  return search;
}

/** See `SafetensorsKernels.encodeInt4`. */
export function encodeInt4(src: Float32Array, dst: Int4Matrix, importance?: Float32Array): number {
  const [rows, rowGroups] = geometryOf("encodeInt4", src.length, dst);
  const { rowLength, group, packed, scales, zeroPoints, scaleFormat } = dst;
  if (importance && importance.length !== rowLength)
    throw new RangeError(`encodeInt4: ${importance.length} importance weights for rows of ${rowLength}`);
  const weights = importance && normaliseImportance(importance);
  const { narrow, largest } = SCALES[scaleFormat];
  for (let i = 0; i < src.length; i++) if (!(Math.abs(src[i]) <= largest)) return i;
  zeroPoints?.fill(0);
  for (let row = 0, from = 0, at = 0; row < rows; row++)
    for (let g = 0; g < rowGroups; g++, from += group, at += 2) {
      const x = src.subarray(from, from + group);
      const found = searchGroup(x, weights?.subarray(g * group, (g + 1) * group), dst);
      const inverse = inverseIf(found.scale > 0, found.scale);
      for (let i = 0; i < group; i += 2) {
        const even = stepsOf(x[i], inverse, found.zeroPoint) + found.zeroPoint;
        const odd = stepsOf(x[i + 1], inverse, found.zeroPoint) + found.zeroPoint;
        packed[(from + i) / 2] = even | (odd << 4);
      }
      const half = narrow(found.scale > 0 ? found.scale : 1);
      scales[at] = half;
      scales[at + 1] = half >> 8;
      if (zeroPoints) {
        const [byte, shift] = zeroPointAt(row, rowGroups, g);
        zeroPoints[byte] |= found.zeroPoint << shift;
      }
    }
  return -1;
}

/** See `SafetensorsKernels.decodeInt4`. */
export function decodeInt4(src: Int4Matrix, dst: Float32Array): number {
  const [rows, rowGroups] = geometryOf("decodeInt4", dst.length, src);
  const { group, packed, scales, zeroPoints, scaleFormat } = src;
  const { widen } = SCALES[scaleFormat];
  for (let row = 0, k = 0, i = 0; row < rows; row++)
    for (let g = 0; g < rowGroups; g++, k++) {
      const scale = widen(scales[2 * k] | (scales[2 * k + 1] << 8));
      if (!Number.isFinite(scale)) return k;
      const [byte, shift] = zeroPointAt(row, rowGroups, g);
      const zeroPoint = zeroPoints ? (zeroPoints[byte] >> shift) & 15 : 8;
      for (const end = i + group; i < end; i++)
        dst[i] = (((packed[i >> 1] >> (4 * (i & 1))) & 15) - zeroPoint) * scale;
    }
  return -1;
}
