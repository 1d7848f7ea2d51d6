import type { F8Scales } from "../kernels.ts";
import { f32ToBf16 } from "./float16.ts";
import { decodeFp4 } from "./fp4.ts";
import { decodeF8 } from "./fp8.ts";
import { checkCount } from "./nvfp4-modelopt.ts";

const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);

/** Rounds f32 values to little-endian bf16 and returns how many it does not hold, infinities included. */
function narrow(values: Float32Array, dst: Uint8Array): number {
  let inexact = 0;
  values.forEach((value, i) => {
    const half = f32ToBf16(value);
    dst[2 * i] = half;
    dst[2 * i + 1] = half >> 8;
    word[0] = value;
    if (bits[0] & 0xffff || !Number.isFinite(value)) inexact++;
  });
  return inexact;
}

function checkLength(name: string, count: number, dst: Uint8Array): void {
  if (dst.length !== 2 * count)
    throw new RangeError(`${name}: ${count} values do not fill ${dst.length} bytes`);
}

/** See `SafetensorsKernels.decodeF8Bf16`. */
export function decodeF8Bf16(
  codes: Uint8Array,
  cols: number,
  scales: F8Scales,
  dst: Uint8Array,
  inexact: Uint32Array,
): number {
  checkLength("decodeF8Bf16", codes.length, dst);
  checkCount("decodeF8Bf16", inexact);
  const values = new Float32Array(codes.length);
  const position = decodeF8(codes, cols, scales, values);
  if (position < 0) inexact[0] += narrow(values, dst);
  return position;
}

/** See `SafetensorsKernels.decodeFp4Bf16`. */
export function decodeFp4Bf16(
  codes: Uint8Array,
  scales: Uint8Array,
  dst: Uint8Array,
  inexact: Uint32Array,
): number {
  checkLength("decodeFp4Bf16", 2 * codes.length, dst);
  checkCount("decodeFp4Bf16", inexact);
  const values = new Float32Array(2 * codes.length);
  const position = decodeFp4(codes, scales, values);
  if (position < 0) inexact[0] += narrow(values, dst);
  return position;
}
