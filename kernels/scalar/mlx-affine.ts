import type { MlxAffineMatrix } from "../safetensors.ts";
import { clamp, inverseIf, max, min, powerAbove, roundEven } from "./f32.ts";
import { bf16ToF32, f32ToBf16 } from "./float16.ts";
import { normaliseImportance } from "./importance.ts";
import { BF16_SCALE_MAX, BF16_SCALE_TINY } from "./limits.ts";

const fround = Math.fround;

/**
 * Steps tried, in 128ths of the one that spans the group, and for each where the middle of the group goes, in 16ths of
 * a step from the middle of the codes. The places follow the golden ratio, so that few pairs cover both. Four bits
 * gain from clipping; eight bits gain from a grid that happens to suit, for which a slightly longer step leaves room.
 */
const LINES = {
  4: {
    steps: [132, 130, 128, 125, 123, 121, 119, 117, 115, 113, 110, 108, 106, 104, 102, 100],
    places: [-8, 2, -4, 6, 0, -7, 3, -3, 7, 1, -5, 5, -1, -7, 2, -4],
  },
  8: { steps: [136, 135, 133, 132, 131, 130, 129, 128], places: [-8, 2, -4, 6, 0, -7, 3, -3] },
};

/** The scale of least squares, and one or two bf16 steps to either side of it. */
const AROUND = [1, 1 + 3 / 512, 1 - 3 / 512];

/** A scale this small might have an infinite inverse; its codes are 0. */
const SCALE_TINY = 2 ** -120;

/** Checks lengths; returns [rows, groups per row]. */
function geometryOf(name: string, length: number, matrix: MlxAffineMatrix): [number, number] {
  const { rowLength, group, bits, packed, scales, biases } = matrix;
  const rows = length / rowLength;
  const rowGroups = rowLength / group;
  if (
    ![32, 64, 128].includes(group) ||
    ![4, 8].includes(bits) ||
    !(rowLength > 0 && Number.isInteger(rowGroups) && Number.isInteger(rows)) ||
    8 * packed.length !== bits * length ||
    scales.length !== 2 * rows * rowGroups ||
    biases.length !== scales.length
  )
    throw new RangeError(
      `${name}: ${length} values, rows of ${rowLength}, groups of ${group}, ${bits} bits, ${packed.length} code bytes, ` +
        `${scales.length} scale bytes, ${biases.length} bias bytes`,
    );
  return [rows, rowGroups];
}

/** A number as it will be read back. */
const stored = (value: number) => bf16ToF32(f32ToBf16(value));

const inverseOf = (scale: number) => inverseIf(Math.abs(scale) > SCALE_TINY, scale);

/** One group under search: its values and weights, its greatest code, and the best line so far. */
interface Search {
  readonly x: Float32Array;
  readonly weights?: Float32Array | undefined;
  readonly top: number;
  scale: number;
  bias: number;
  error: number;
}

/** The code nearest to a value. Never -0, whose sign would show in a bias. */
function codeOf(x: number, inverse: number, bias: number, top: number): number {
  return roundEven(clamp(fround(fround(x - bias) * inverse), 0, top));
}

/** Keeps the line of the stored scale and bias if its error is less. */
function tryLine(search: Search, anyScale: number, anyBias: number): void {
  const { x, weights, top } = search;
  const scale = stored(anyScale);
  const bias = stored(anyBias);
  const inverse = inverseOf(scale);
  let error = 0;
  for (let i = 0; i < x.length; i++) {
    const y = fround(fround(codeOf(x[i], inverse, bias, top) * scale) + bias);
    const difference = fround(y - x[i]);
    const square = fround(difference * difference);
    error = fround(error + (weights ? fround(weights[i] * square) : square));
  }
  if (error < search.error) Object.assign(search, { scale, bias, error });
}

/** Lines by least squares on what the best line so far leaves over, for the codes it gives. */
function refit(search: Search): void {
  const { x, weights, top, scale, bias } = search;
  const inverse = inverseOf(scale);
  let [w, wq, wqq, wr, wqr] = [0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const code = codeOf(x[i], inverse, bias, top);
    const rest = fround(x[i] - fround(fround(code * scale) + bias));
    const weight = weights ? weights[i] : 1;
    const weighted = fround(weight * code);
    w = fround(w + weight);
    wq = fround(wq + weighted);
    wqq = fround(wqq + fround(weighted * code));
    wr = fround(wr + fround(weight * rest));
    wqr = fround(wqr + fround(weighted * rest));
  }
  const product = fround(w * wqq);
  const determinant = fround(product - fround(wq * wq));
  // Below, the determinant is rounding noise: all codes equal, or one dominant weight.
  const regular = determinant > fround(product * fround(1e-5));
  const slope = fround(fround(fround(w * wqr) - fround(wq * wr)) * inverseIf(regular, determinant));
  const inverseWeight = fround(1 / w);
  for (const factor of AROUND) {
    const next = stored(fround(fround(scale + slope) * factor));
    const mean = fround(fround(wr - fround(fround(next - scale) * wq)) * inverseWeight);
    tryLine(search, next, fround(bias + mean));
  }
}

/** The least bf16 not below a value. */
function storedAbove(value: number): number {
  const nearest = stored(value);
  return nearest < value ? stored(fround(value + fround(Math.abs(value) * 2 ** -8))) : nearest;
}

/**
 * Lines that span the group, each with its scale and bias as they will be stored: upwards from its least value; as MLX
 * does it, from the end farther from 0, and so that 0 has a code; downwards from a bf16 not below its greatest value,
 * which groups far from 0 need; and with a power of two as scale, under which values of few bits, FP4 above all, are
 * exact. Then clipped and shifted ones, and twice those of least squares for the codes found.
 */
function searchGroup(x: Float32Array, weights: Float32Array | undefined, bits: 4 | 8): Search {
  const top = 2 ** bits - 1;
  const search: Search = { x, weights, top, scale: 0, bias: 0, error: Number.POSITIVE_INFINITY };
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < x.length; i++) {
    low = min(x[i], low);
    high = max(x[i], high);
  }
  if (max(high, -low) < BF16_SCALE_TINY) return search;
  const step = fround(fround(high - low) / top);
  tryLine(search, step, low);
  const fromLow = -low > high;
  const edge = fromLow ? low : high;
  const some = step > SCALE_TINY;
  const zeroCode = roundEven(min(fround(Math.abs(edge) / (some ? step : 1)), 2 ** 21));
  const mlxStep = fround(Math.abs(edge) / max(zeroCode, 1));
  tryLine(search, some ? (fromLow ? mlxStep : -mlxStep) : 0, edge);
  const above = storedAbove(high);
  tryLine(search, fround(fround(low - above) / top), above);
  tryLine(search, powerAbove(step), low);
  const middle = fround(fround(low + high) * 0.5);
  const { steps, places } = LINES[bits];
  for (let k = 0; k < steps.length; k++) {
    const scale = stored(fround(step * (steps[k] / 128)));
    tryLine(search, scale, fround(middle - fround(scale * (top / 2 + places[k] / 16))));
  }
  refit(search);
  refit(search);
  return search;
}

/** See `SafetensorsKernels.encodeMlxAffine`. */
export function encodeMlxAffine(src: Float32Array, dst: MlxAffineMatrix, importance?: Float32Array): number {
  const [rows, rowGroups] = geometryOf("encodeMlxAffine", src.length, dst);
  const { rowLength, group, bits, packed, scales, biases } = dst;
  if (importance && importance.length !== rowLength)
    throw new RangeError(`encodeMlxAffine: ${importance.length} importance weights for rows of ${rowLength}`);
  const weights = importance && normaliseImportance(importance);
  for (let i = 0; i < src.length; i++) if (!(Math.abs(src[i]) <= BF16_SCALE_MAX)) return i;
  for (let k = 0; k < rows * rowGroups; k++) {
    const x = src.subarray(k * group, (k + 1) * group);
    const from = (k % rowGroups) * group;
    const { scale, bias, top } = searchGroup(x, weights?.subarray(from, from + group), bits);
    const inverse = inverseOf(scale);
    const code = (i: number) => codeOf(x[i], inverse, bias, top);
    const codes = packed.subarray((k * group * bits) / 8);
    if (bits === 8) for (let i = 0; i < group; i++) codes[i] = code(i);
    else for (let i = 0; i < group; i += 2) codes[i / 2] = code(i) | (code(i + 1) << 4);
    // A scale without inverse has only codes of 0: 1 says the same.
    put16(scales, k, f32ToBf16(inverse === 0 ? 1 : scale));
    put16(biases, k, f32ToBf16(bias + 0)); // no -0
  }
  return -1;
}

function put16(dst: Uint8Array, k: number, half: number): void {
  dst[2 * k] = half;
  dst[2 * k + 1] = half >> 8;
}

/** See `SafetensorsKernels.decodeMlxAffine`. */
export function decodeMlxAffine(src: MlxAffineMatrix, dst: Float32Array): number {
  const [rows, rowGroups] = geometryOf("decodeMlxAffine", dst.length, src);
  const { group, bits, packed, scales, biases } = src;
  const widen = (bytes: Uint8Array, k: number) => bf16ToF32(bytes[2 * k] | (bytes[2 * k + 1] << 8));
  for (let k = 0, i = 0; k < rows * rowGroups; k++) {
    const [scale, bias] = [widen(scales, k), widen(biases, k)];
    if (!(Number.isFinite(scale) && Number.isFinite(bias))) return k;
    for (const end = i + group; i < end; i++) {
      const code = bits === 8 ? packed[i] : (packed[i >> 1] >> (4 * (i & 1))) & 15;
      dst[i] = fround(code * scale) + bias;
    }
  }
  return -1;
}
