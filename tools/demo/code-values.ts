import { E2M1 } from "../../kernels/scalar/fp4.ts";
import { E4M3 } from "../../kernels/scalar/fp8.ts";

/** Fills bytes with a seeded xorshift32 stream: fast enough for checkpoints of many GB. */
export function randomBytes(seed: number, into: Uint8Array): number {
  let state = seed | 1;
  const words = new Uint32Array(into.buffer, into.byteOffset, into.length >> 2);
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  for (let i = words.length << 2; i < into.length; i++) into[i] = state >>> (8 * (i & 3));
  return state;
}

/** Index of the table entry nearest to a value. */
function nearest(table: Float32Array, value: number): number {
  let best = 0;
  for (let code = 1; code < table.length; code++)
    if (Math.abs(table[code] - value) < Math.abs(table[best] - value)) best = code;
  return best;
}

/** For a random byte, the FP8 code nearest to a uniform value in ±peak. */
export const fp8Table = (peak: number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => nearest(E4M3, peak * ((byte + 0.5) / 128 - 1)));

/** For a random byte, two packed FP4 codes, each nearest to a uniform value in ±peak taken from half the byte. */
export const fp4Table = (peak: number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => {
    const code = (nibble: number): number => nearest(E2M1, peak * ((nibble + 0.5) / 8 - 1));
    return code(byte & 15) | (code(byte >> 4) << 4);
  });
