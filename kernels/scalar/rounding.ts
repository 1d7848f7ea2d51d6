import { powerAbove, roundEven } from "./f32.ts";
import { f32ToBf16 } from "./float16.ts";
import { E4M3, f32ToE4m3 } from "./fp8.ts";

const fround = Math.fround;
const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

/** E4M3 magnitude nearest to one >= 0, ties to even, saturating at 448. */
const roundE4m3 = (magnitude: number) => E4M3[f32ToE4m3(magnitude)];

/** E2M1 magnitude nearest to one >= 0, ties to the even code, saturating at 6. Steps: 0.5 below 2, 1 below 4, then 2. */
function roundE2m1(magnitude: number): number {
  const value = Math.min(magnitude, 6);
  const step = value < 2 ? 0.5 : value < 4 ? 1 : 2;
  return roundEven(value / step) * step;
}

function roundRows(
  name: string,
  x: Float32Array,
  [stride, cols, group]: readonly [number, number, number],
  smallest: number,
  inverseLargest: number,
  round: (magnitude: number) => number,
): number {
  const counts = [x.length / stride, cols / group, group / 16];
  if (
    counts.some((n) => !Number.isInteger(n)) ||
    !(stride >= 1 && cols >= 1 && group >= 16 && cols <= stride)
  )
    throw new RangeError(`${name}: ${x.length} values, ${cols} of every ${stride} in groups of ${group}`);
  for (let row = 0; row < x.length; row += stride)
    for (let from = row; from < row + cols; from += group) {
      let peak = smallest;
      for (let i = from; i < from + group; i++) {
        if (!Number.isFinite(x[i])) return i;
        peak = Math.max(peak, Math.abs(x[i]));
      }
      const scale = powerAbove(fround(peak * inverseLargest));
      for (let i = from; i < from + group; i++) {
        const magnitude = round(fround(Math.abs(x[i]) / scale)) * scale;
        x[i] = x[i] < 0 || Object.is(x[i], -0) ? -magnitude : magnitude;
      }
    }
  return -1;
}

/** See `ForwardKernels.roundF8`. */
export function roundF8(x: Float32Array, stride: number, cols: number, group: number): number {
  return roundRows("roundF8", x, [stride, cols, group], fround(1e-4), fround(1 / 448), roundE4m3);
}

/** See `ForwardKernels.roundF4`. */
export function roundF4(x: Float32Array, stride: number, cols: number, group: number): number {
  return roundRows("roundF4", x, [stride, cols, group], 6 * 2 ** -126, fround(1 / 6), roundE2m1);
}

export function roundBf16(x: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i])) continue;
    bits[0] = f32ToBf16(x[i]) << 16;
    x[i] = word[0];
  }
}
