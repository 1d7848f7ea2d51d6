import type { F8Scales } from "../kernels.ts";
import { roundEven } from "./f32.ts";
import { E8M0 } from "./fp4.ts";

/** E4M3FN values by code: bias 7, no infinities, 7F and FF are NaN, largest 448. */
export const E4M3 = Float32Array.from({ length: 256 }, (_, code) => {
  const sign = code & 128 ? -1 : 1;
  const exponent = (code >> 3) & 15;
  const mantissa = code & 7;
  if ((code & 127) === 127) return Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10));
});

const word = new Float32Array(1);
const bits = new Int32Array(word.buffer);

/** Code of the nearest E4M3 value to a finite value >= 0, ties to the even code, saturating at 126 (448). */
export function f32ToE4m3(value: number): number {
  if (value >= 448) return 126;
  if (value < 2 ** -6) return roundEven(Math.fround(value * 512));
  word[0] = value;
  const odd = (bits[0] >>> 20) & 1;
  return (bits[0] - (120 << 23) + 0x7ffff + odd) >> 20;
}

/** FP8 codes with block scales to f32. See `Kernels.decodeF8`. */
export function decodeF8(codes: Uint8Array, cols: number, scales: F8Scales, dst: Float32Array): number {
  const rows = codes.length / cols;
  const scaleCols = Math.ceil(cols / scales.blockCols);
  const scaleRows = rows > 0 ? Math.ceil((scales.firstRow + rows) / scales.blockRows) : 0;
  if (!(scales.blockRows >= 1 && scales.blockCols >= 1 && scales.firstRow >= 0))
    throw new RangeError(
      `decodeF8: blocks of ${scales.blockRows} x ${scales.blockCols} from row ${scales.firstRow}`,
    );
  if (!Number.isInteger(rows) || dst.length !== codes.length || scales.values.length < scaleRows * scaleCols)
    throw new RangeError(
      `decodeF8: ${codes.length} codes in rows of ${cols}, ${scales.values.length} scales, ${dst.length} values`,
    );
  const { values } = scales;
  const byteScales = values instanceof Uint8Array;
  for (let row = 0, i = 0; row < rows; row++) {
    const scaleRow = Math.floor((scales.firstRow + row) / scales.blockRows) * scaleCols;
    for (let block = 0; block < scaleCols; block++) {
      const scale = byteScales ? E8M0[values[scaleRow + block]] : values[scaleRow + block];
      if (!Number.isFinite(scale)) return i;
      const end = row * cols + Math.min(cols, (block + 1) * scales.blockCols);
      for (; i < end; i++) {
        if ((codes[i] & 127) === 127) return i;
        dst[i] = E4M3[codes[i]] * scale;
      }
    }
  }
  return -1;
}
