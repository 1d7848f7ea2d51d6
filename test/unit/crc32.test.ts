import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { combineCrc32, crcHex } from "../../tools/lib/crc32.ts";
import { seededRandom } from "../support/scratch.ts";

test("the checksum of two strings joined is zlib's over both, for any lengths", () => {
  const random = seededRandom(4);
  for (const [a, b] of [
    [0, 0],
    [0, 5],
    [5, 0],
    [1, 1],
    [7, 65_536],
    [1000, 1],
    [12_345, 67_891],
  ]) {
    const bytes = Uint8Array.from({ length: a + b }, () => 256 * random());
    const joined = combineCrc32(crc32(bytes.subarray(0, a)), crc32(bytes.subarray(a)), b);
    expect(joined).toBe(crc32(bytes));
  }
});

test("many pieces in order give the checksum of the whole", () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => i * i);
  let sum = 0;
  for (let start = 0; start < bytes.length; start += 333) {
    const piece = bytes.subarray(start, start + 333);
    sum = combineCrc32(sum, crc32(piece), piece.length);
  }
  expect(sum).toBe(crc32(bytes));
});

test("lengths beyond 32 bits", () => {
  // 5 GiB of zeros by doubling: a check on the length, not on the bytes.
  let zeros = crc32(new Uint8Array(1 << 20));
  let byteLength = 1 << 20;
  while (byteLength < 4 * 2 ** 30) {
    zeros = combineCrc32(zeros, zeros, byteLength);
    byteLength *= 2;
  }
  const inTwo = combineCrc32(zeros, crc32(new Uint8Array(1 << 20)), 1 << 20);
  expect(inTwo).toBe(combineCrc32(crc32(new Uint8Array(1 << 20)), zeros, byteLength));
  expect(inTwo).not.toBe(zeros);
});

test("eight hexadecimal digits", () => {
  expect([crcHex(0), crcHex(0xab), crcHex(0xffffffff)]).toEqual(["00000000", "000000ab", "ffffffff"]);
});
