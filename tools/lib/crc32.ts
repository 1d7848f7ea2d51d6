/** Advances a CRC-32 (reflected, polynomial EDB88320) over `byteLength` zero bytes, as a product with x^(8 n). */

const POLYNOMIAL = 0xedb88320;

/** Product of two polynomials modulo the CRC's, bit-reflected: bit 31 is x^0. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

/** x^(8 * byteLength) modulo the polynomial, by repeated squaring. */
function powerOf(byteLength: number): number {
  let power = 0x80000000;
  let square = 0x00800000; // x^8
  for (let left = byteLength; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

/** CRC-32 of two byte strings one after the other, from the CRC of each and the length of the second. */
export const combineCrc32 = (first: number, second: number, secondBytes: number): number =>
  (multiply(powerOf(secondBytes), first) ^ second) >>> 0;

export const crcHex = (crc: number): string => crc.toString(16).padStart(8, "0");
