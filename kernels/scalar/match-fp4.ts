import { E2M1 } from "./fp4.ts";

const LENGTH = 32;
const BYTES = 17;

/** Whether two codes mean the same: 0 and -0 do. */
const sameValue = (a: number, b: number): boolean => E2M1[a] === E2M1[b];

/** Element by element, with no step in common with `repackMxfp4`, which it judges. See `Kernels.matchFp4`. */
export function matchFp4(
  codes: Uint8Array,
  scales: Uint8Array,
  blocks: Uint8Array,
  span: Uint8Array,
): number {
  if (codes.length !== 16 * scales.length || blocks.length !== BYTES * scales.length || span.length !== 2)
    throw new RangeError(
      `matchFp4: ${codes.length} code bytes, ${scales.length} scales, ${blocks.length} bytes of blocks, a span of ${span.length} bytes`,
    );
  for (let g = 0; g < scales.length; g++) {
    const block = BYTES * g;
    if (scales[g] === 255 || scales[g] !== blocks[block]) return LENGTH * g;
    for (let i = 0; i < LENGTH; i++) {
      const source = (codes[16 * g + (i >> 1)] >> (4 * (i & 1))) & 15;
      const written = (blocks[block + 1 + (i & 15)] >> (i < 16 ? 0 : 4)) & 15;
      if (!sameValue(source, written)) return LENGTH * g + i;
    }
    span[0] = Math.min(span[0], scales[g]);
    span[1] = Math.max(span[1], scales[g]);
  }
  return -1;
}
