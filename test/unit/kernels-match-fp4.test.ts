import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { createRandom } from "./kernel-inputs.ts";

const { available } = chooseKernels("scalar");

const LENGTH = 32;
const BYTES = 17;
const VALUES = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];

interface Pair {
  readonly codes: Uint8Array;
  readonly scales: Uint8Array;
  readonly blocks: Uint8Array;
}

const emptyPair = (groups: number): Pair => ({
  codes: new Uint8Array(16 * groups),
  scales: new Uint8Array(groups),
  blocks: new Uint8Array(BYTES * groups),
});

function setSource({ codes }: Pair, index: number, code: number): void {
  const shift = 4 * (index % 2);
  codes[index >> 1] = (codes[index >> 1] & ~(15 << shift)) | (code << shift);
}

function setBlock({ blocks }: Pair, index: number, code: number): void {
  const at = BYTES * Math.floor(index / LENGTH) + 1 + (index % 16);
  const shift = index % LENGTH < 16 ? 0 : 4;
  blocks[at] = (blocks[at] & ~(15 << shift)) | (code << shift);
}

/** Random groups and the blocks that say the same, made here: repackMxfp4 is what the kernel judges. */
function randomPair(groups: number, seed: number): Pair {
  const random = createRandom(seed);
  const pair = emptyPair(groups);
  for (let g = 0; g < groups; g++) {
    pair.scales[g] = pair.blocks[BYTES * g] = random() * 255;
    for (let i = LENGTH * g; i < LENGTH * (g + 1); i++) {
      const code = g % 5 === 4 ? 0 : Math.floor(random() * 16); // some groups are all zeros
      setSource(pair, i, code);
      setBlock(pair, i, code);
    }
  }
  return pair;
}

/** Where a flipped bit of the blocks must be found, or -1 if it is the sign of a zero. */
function placeOf({ blocks }: Pair, bit: number): number {
  const byte = bit >> 3;
  const [g, j] = [Math.floor(byte / BYTES), (byte % BYTES) - 1];
  if (j < 0) return LENGTH * g;
  const high = bit % 8 >= 4;
  const magnitude = (blocks[byte] >> (high ? 4 : 0)) & 7;
  return bit % 4 === 3 && magnitude === 0 ? -1 : LENGTH * g + j + (high ? 16 : 0);
}

const flip = (bytes: Uint8Array, bit: number): void => {
  bytes[bit >> 3] ^= 1 << (bit % 8);
};

function spanOf(scales: Uint8Array): number[] {
  return scales.reduce(([least, most], e) => [Math.min(least, e), Math.max(most, e)], [255, 0] as number[]);
}

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s", (_, kernels) => {
  const match = ({ codes, scales, blocks }: Pair, span = Uint8Array.of(255, 0)) =>
    kernels.matchFp4(codes, scales, blocks, span);

  test("every pair of codes at every place of a group", () => {
    const pair = emptyPair(1);
    for (let i = 0; i < LENGTH; i++) {
      for (let source = 0; source < 16; source++)
        for (let written = 0; written < 16; written++) {
          setSource(pair, i, source);
          setBlock(pair, i, written);
          const expected = VALUES[source] === VALUES[written] ? -1 : i;
          expect([i, source, written, match(pair)]).toEqual([i, source, written, expected]);
        }
      setSource(pair, i, 0);
      setBlock(pair, i, 0);
    }
  });

  test("a value at any wrong place is found at the first of the two", () => {
    for (let i = 0; i < LENGTH; i++)
      for (let k = 0; k < LENGTH; k++) {
        const pair = emptyPair(1);
        setSource(pair, i, 5);
        setBlock(pair, k, 5);
        expect([i, k, match(pair)]).toEqual([i, k, i === k ? -1 : Math.min(i, k)]);
      }
  });

  test("scale bytes must be equal, also of zeros, and 255 has no value", () => {
    for (let source = 0; source < 256; source++)
      for (let written = 0; written < 256; written++) {
        const pair = emptyPair(2);
        pair.scales[1] = source;
        pair.blocks[BYTES] = written;
        const found = match(pair);
        if (found !== (source === written && source < 255 ? -1 : LENGTH))
          expect.fail(`scale ${source} beside ${written}: ${found}`);
      }
  });

  test("every scale, and what repackMxfp4 writes", () => {
    const { codes, blocks } = randomPair(255, 1);
    const scales = Uint8Array.from({ length: 255 }, (_, e) => e);
    expect(kernels.repackMxfp4(codes, scales, blocks)).toBe(-1);
    const span = Uint8Array.of(255, 0);
    expect(match({ codes, scales, blocks }, span)).toBe(-1);
    expect([...span]).toEqual([0, 254]);
  });

  test("every single flipped bit of the blocks is found where it is, unless it is the sign of a zero", () => {
    const pair = randomPair(131, 2);
    expect(match(pair)).toBe(-1);
    let signs = 0;
    for (let bit = 0; bit < 8 * pair.blocks.length; bit++) {
      const expected = placeOf(pair, bit);
      if (expected < 0) signs++;
      flip(pair.blocks, bit);
      const span = Uint8Array.of(255, 0);
      const found = match(pair, span);
      flip(pair.blocks, bit);
      if (found !== expected) expect.fail(`bit ${bit}: found ${found}, expected ${expected}`);
      const before = expected < 0 ? pair.scales : pair.scales.subarray(0, Math.floor(expected / LENGTH));
      if (bit % 17 === 0) expect([...span]).toEqual(spanOf(before));
    }
    expect(signs).toBeGreaterThan(800);
  });

  test("every single flipped bit of the source's scales is found, too", () => {
    const pair = randomPair(70, 3);
    for (let bit = 0; bit < 8 * pair.scales.length; bit++) {
      flip(pair.scales, bit);
      expect(match(pair)).toBe(LENGTH * (bit >> 3));
      flip(pair.scales, bit);
    }
  });

  test("of several flipped bits in any number of groups, the first value", () => {
    const errors = fc.record({
      groups: fc.integer({ min: 1, max: 200 }),
      seed: fc.nat(),
      places: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(errors, ({ groups, seed, places }) => {
        const pair = randomPair(groups, seed);
        // One bit of a nibble: with two, a sign that did not matter could come to matter.
        const bits = new Map(
          places.map((place) => Math.floor(place * 8 * BYTES * groups)).map((bit) => [bit >> 2, bit]),
        );
        const found = [...bits.values()].map((bit) => placeOf(pair, bit)).filter((index) => index >= 0);
        const expected = found.length > 0 ? Math.min(...found) : -1;
        for (const bit of bits.values()) flip(pair.blocks, bit);
        const span = Uint8Array.of(255, 0);
        expect(match(pair, span)).toBe(expected);
        const before = expected < 0 ? groups : Math.floor(expected / LENGTH);
        expect([...span]).toEqual(spanOf(pair.scales.subarray(0, before)));
      }),
    );
  });

  test("zeros of either sign on either side are equal in any number", () => {
    const pair = randomPair(97, 4);
    const random = createRandom(5);
    for (let i = 0; i < LENGTH * 97; i++)
      if (random() < 0.7) {
        setSource(pair, i, random() < 0.5 ? 8 : 0);
        setBlock(pair, i, random() < 0.5 ? 8 : 0);
      }
    expect(match(pair)).toBe(-1);
    setSource(pair, 2000, 8);
    setBlock(pair, 2000, 9);
    expect(match(pair)).toBe(2000);
  });

  test("the span is widened, never narrowed, and groups of zeros count", () => {
    const pair = emptyPair(3);
    for (const [g, e] of [100, 90, 110].entries()) pair.scales[g] = pair.blocks[BYTES * g] = e;
    const span = Uint8Array.of(95, 105);
    expect(match(pair, span)).toBe(-1);
    expect([...span]).toEqual([90, 110]);
    expect(match(emptyPair(0), span)).toBe(-1);
    expect([...span]).toEqual([90, 110]);
    const wide = Uint8Array.of(1, 254);
    expect(match(pair, wide)).toBe(-1);
    expect([...wide]).toEqual([1, 254]);
  });

  test("refuses every wrong length", () => {
    const { codes, scales, blocks } = emptyPair(4);
    const span = new Uint8Array(2);
    expect(() => kernels.matchFp4(codes.subarray(1), scales, blocks, span)).toThrow(RangeError);
    expect(() => kernels.matchFp4(codes, scales.subarray(1), blocks, span)).toThrow(RangeError);
    expect(() => kernels.matchFp4(codes, scales, blocks.subarray(1), span)).toThrow(RangeError);
    expect(() => kernels.matchFp4(codes, scales, blocks, new Uint8Array(1))).toThrow(RangeError);
    expect(() => kernels.matchFp4(codes, scales, blocks, new Uint8Array(3))).toThrow(RangeError);
  });

  test("takes views on shared memory, at odd places", () => {
    const { codes, scales, blocks } = randomPair(67, 6);
    const slab = new Uint8Array(new SharedArrayBuffer(40 * 67));
    const place = (at: number, bytes: Uint8Array) => {
      slab.set(bytes, at);
      return slab.subarray(at, at + bytes.length);
    };
    const pair = {
      scales: place(3, scales),
      codes: place(3 + 67, codes),
      blocks: place(3 + 17 * 67, blocks),
    };
    expect(match(pair)).toBe(-1);
    flip(pair.blocks, 8 * (BYTES * 66 + 16) + 5);
    expect(match(pair)).toBe(LENGTH * 66 + 31);
  });
});
