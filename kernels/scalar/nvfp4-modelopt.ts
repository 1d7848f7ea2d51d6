import type { EncodeOptions } from "../kernels.ts";
import { inverseIf } from "./f32.ts";
import { E2M1 } from "./fp4.ts";
import { E4M3 } from "./fp8.ts";
import { normaliseImportance } from "./importance.ts";
import { nearestE2m1 } from "./mxfp4.ts";
import { bestE4m3Scale } from "./nvfp4.ts";

const fround = Math.fround;
const GROUP = 16;
/** 448 * 6, and a little for the rounding of the caller's max|W| / 2688. */
const LARGEST = 2689;

/** Columns per FP4 scale. */
function groupOf(name: string, codes: Uint8Array, scales: Uint8Array): number {
  const group = scales.length === 0 ? GROUP : (2 * codes.length) / scales.length;
  if (!(group >= GROUP && group % GROUP === 0 && group * scales.length === 2 * codes.length))
    throw new RangeError(`${name}: ${codes.length} code bytes, ${scales.length} scales`);
  return group;
}

function checkScale2(name: string, scale2: number): void {
  if (!(scale2 > 0 && scale2 < Number.POSITIVE_INFINITY && fround(scale2) === scale2))
    throw new RangeError(`${name}: scale2 is ${scale2}; expected a finite f32 > 0`);
}

export function checkCount(name: string, count: Uint32Array): void {
  if (count.length !== 1) throw new RangeError(`${name}: the count has ${count.length} elements`);
}

/** Whether some code in these bytes is neither 0 nor -0. */
function anyNonZero(codes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (codes[i] & 0x77) return true;
  return false;
}

/** See `SafetensorsKernels.scanFp4`. */
export function scanFp4(codes: Uint8Array, scales: Uint8Array, span: Uint8Array): number {
  const bytes = groupOf("scanFp4", codes, scales) / 2;
  if (span.length !== 2) throw new RangeError(`scanFp4: a span of ${span.length} bytes`);
  for (let g = 0; g < scales.length; g++) {
    if (scales[g] === 255) return g;
    if (!anyNonZero(codes, g * bytes, (g + 1) * bytes)) continue;
    span[0] = Math.min(span[0], scales[g]);
    span[1] = Math.max(span[1], scales[g]);
  }
  return -1;
}

/** The scale and codes of 16 values given in units of scale2. Two codes per byte, the even one low. */
function encodeGroup(
  units: Float32Array,
  dstCodes: Uint8Array,
  at: number,
  importance?: Float32Array,
  weightsFrom = 0,
): number {
  // A scale of 0 would lose the group for readers that divide by it; 1 is 2^-9.
  const scale = bestE4m3Scale(units, 0, importance, weightsFrom, 1);
  const inverse = inverseIf(true, E4M3[scale]);
  for (let i = 0; i < GROUP; i += 2) {
    const [even, odd] = [units[i], units[i + 1]].map(
      (x) => nearestE2m1(fround(Math.abs(x) * inverse)) | (x < 0 ? 8 : 0),
    );
    dstCodes[at + i / 2] = even | (odd << 4);
  }
  return scale;
}

/** See `SafetensorsKernels.fp4ToNvfp4`. */
export function fp4ToNvfp4(
  codes: Uint8Array,
  scales: Uint8Array,
  exponent: number,
  dstCodes: Uint8Array,
  dstScales: Uint8Array,
  changed: Uint32Array,
): number {
  const bytes = groupOf("fp4ToNvfp4", codes, scales) / 2;
  if (dstCodes.length !== codes.length || dstScales.length !== codes.length / 8)
    throw new RangeError(
      `fp4ToNvfp4: ${codes.length} code bytes to ${dstCodes.length} and ${dstScales.length} scales`,
    );
  if (!(Number.isInteger(exponent) && exponent >= -149 && exponent <= 127))
    throw new RangeError(`fp4ToNvfp4: exponent ${exponent}; expected -149 .. 127`);
  checkCount("fp4ToNvfp4", changed);
  const units = new Float32Array(GROUP);
  for (let g = 0; g < scales.length; g++) {
    if (scales[g] === 255) return g;
    const power = scales[g] - 127 - exponent;
    for (let at = g * bytes; at < (g + 1) * bytes; at += 8) {
      const exact = power >= -9 && power <= 8;
      if (exact || !anyNonZero(codes, at, at + 8)) {
        for (let i = 0; i < 8; i++) dstCodes[at + i] = codes[at + i];
        dstScales[at / 8] = powerCode(Math.min(8, Math.max(-9, power)));
        continue;
      }
      // Beyond these bounds every value saturates, or vanishes, all the same; within them squares are finite.
      const unit = 2 ** Math.min(40, Math.max(-60, power));
      for (let i = 0; i < GROUP; i++) units[i] = E2M1[(codes[at + (i >> 1)] >> (4 * (i & 1))) & 15] * unit;
      const scale = encodeGroup(units, dstCodes, at);
      dstScales[at / 8] = scale;
      const survived = units.every(
        (x, i) => E2M1[(dstCodes[at + (i >> 1)] >> (4 * (i & 1))) & 15] * E4M3[scale] === x,
      );
      if (!survived) changed[0]++;
    }
  }
  return -1;
}

/** E4M3 code of 2^power, -9 .. 8; subnormal below -6. */
function powerCode(power: number): number {
  return power >= -6 ? (power + 7) << 3 : 1 << (power + 9);
}

/** See `SafetensorsKernels.encodeNvfp4Groups`: the search of ggml's nvfp4, on values in units of scale2. */
export function encodeNvfp4Groups(
  src: Float32Array,
  scale2: number,
  dstCodes: Uint8Array,
  dstScales: Uint8Array,
  { rowLength, importance }: EncodeOptions,
): number {
  checkScale2("encodeNvfp4Groups", scale2);
  if (
    !(rowLength >= GROUP && rowLength % GROUP === 0 && src.length % rowLength === 0) ||
    dstCodes.length !== src.length / 2 ||
    dstScales.length !== src.length / GROUP
  )
    throw new RangeError(
      `encodeNvfp4Groups: ${src.length} values, rows of ${rowLength}, ${dstCodes.length} code bytes, ${dstScales.length} scales`,
    );
  if (importance && importance.length !== rowLength)
    throw new RangeError(
      `encodeNvfp4Groups: ${importance.length} importance weights for rows of ${rowLength}`,
    );
  const weights = importance && normaliseImportance(importance);
  for (let i = 0; i < src.length; i++) if (!(Math.abs(fround(src[i] / scale2)) <= LARGEST)) return i;
  const units = new Float32Array(GROUP);
  for (let g = 0, from = 0; g < dstScales.length; g++, from += GROUP) {
    for (let i = 0; i < GROUP; i++) units[i] = src[from + i] / scale2;
    dstScales[g] = encodeGroup(units, dstCodes, 8 * g, weights, from % rowLength);
  }
  return -1;
}

/** See `SafetensorsKernels.decodeNvfp4Groups`. */
export function decodeNvfp4Groups(
  codes: Uint8Array,
  scales: Uint8Array,
  scale2: number,
  dst: Float32Array,
): number {
  checkScale2("decodeNvfp4Groups", scale2);
  if (codes.length !== 8 * scales.length || dst.length !== GROUP * scales.length)
    throw new RangeError(
      `decodeNvfp4Groups: ${codes.length} code bytes, ${scales.length} scales, ${dst.length} values`,
    );
  for (let g = 0; g < scales.length; g++) {
    if ((scales[g] & 127) === 127) return g;
    const scale = fround(E4M3[scales[g]] * scale2);
    for (let i = GROUP * g; i < GROUP * (g + 1); i++)
      dst[i] = E2M1[(codes[i >> 1] >> (4 * (i & 1))) & 15] * scale;
  }
  return -1;
}
