import type { BlockCodec } from "./block-codec.ts";
import { clamp, inverseIf } from "./f32.ts";
import { E2M1 } from "./fp4.ts";
import { E4M3, f32ToE4m3 } from "./fp8.ts";
import { GGML_E2M1, nearestE2m1 } from "./mxfp4.ts";

const fround = Math.fround;
const LENGTH = 64;
const BYTES = 36;
const GROUP = 16;

/** Scales as ggml reads them: no sign (the top bit is not looked at), 7F is 0, and FF therefore 480. */
const SCALES = Float32Array.from({ length: 256 }, (_, byte) =>
  byte === 0x7f ? 0 : byte === 0xff ? 480 : E4M3[byte & 127],
);

/** Scale codes tried, as distance from the code of max|x| / 6; the first of equal errors wins. */
const STEPS = [0, 1, -1, 2, 3, 4, 5, -2];

/**
 * The scale code (E4M3, `least` .. 126) with the least sum of w (y - x)^2 for `GROUP` values, w = importance or 1. The
 * usual rule, the largest value becomes 6, wastes a quarter of the error: the gap between 4 and 6 is wide, and
 * scales up to 5 codes larger (x 1.5: the largest value becomes 4) often fit better.
 */
export function bestE4m3Scale(
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  weightsFrom: number,
  least = 0,
): number {
  let peak = 0;
  for (let i = 0; i < GROUP; i++) peak = Math.max(peak, Math.abs(x[from + i]));
  const middle = f32ToE4m3(fround(peak * fround(1 / 6)));
  let best = 0;
  let bestError = Number.POSITIVE_INFINITY;
  for (const step of STEPS) {
    const code = clamp(middle + step, least, 126);
    const scale = E4M3[code];
    const inverse = inverseIf(code > 0, scale);
    let error = 0;
    for (let i = 0; i < GROUP; i++) {
      const a = Math.abs(x[from + i]);
      const difference = fround(fround(E2M1[nearestE2m1(fround(a * inverse))] * scale) - a);
      const square = fround(difference * difference);
      error = fround(error + (importance ? fround(importance[weightsFrom + i] * square) : square));
    }
    if (error < bestError) {
      bestError = error;
      best = code;
    }
  }
  return best;
}

/**
 * nvfp4 in ggml's order: `u8 s[4]; u8 b[32]`, four groups of 16, y = e4m3(s[k]) E2M1(code); byte j of a group's
 * eight holds element j low and element j + 8 high. There is no second-level scale in the block, so weights well
 * below 0.01 meet subnormal scales.
 */
export const nvfp4: BlockCodec = {
  blockLength: LENGTH,
  blockBytes: BYTES,
  largest: 448 * 6,
  decodeBlock(src, at, dst, to) {
    for (let i = 0; i < LENGTH; i++) {
      const scale = SCALES[src[at + (i >> 4)]];
      const byte = src[at + 4 + 8 * (i >> 4) + (i & 7)];
      dst[to + i] = scale * GGML_E2M1[i & 8 ? byte >> 4 : byte & 15];
    }
    return true;
  },
  encodeBlock(src, from, dst, at, importance, weightsFrom = 0) {
    dst.fill(0, at, at + BYTES);
    for (let k = 0; k < LENGTH / GROUP; k++) {
      const begin = from + k * GROUP;
      const scale = bestE4m3Scale(src, begin, importance, weightsFrom + k * GROUP);
      const inverse = inverseIf(scale > 0, E4M3[scale]);
      dst[at + k] = scale;
      for (let i = 0; i < GROUP; i++) {
        const x = src[begin + i];
        const code = nearestE2m1(fround(Math.abs(x) * inverse)) | (x < 0 ? 8 : 0);
        dst[at + 4 + 8 * k + (i & 7)] |= i < 8 ? code : code << 4;
      }
    }
  },
};
