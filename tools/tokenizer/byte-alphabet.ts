/**
 * The alphabet of byte-level BPE: every byte is one printable character. Printable Latin-1 stands for itself, the other
 * 68 bytes are, in ascending order, the characters from U+0100 on.
 */
function alphabet(): ReadonlyMap<string, number> {
  const map = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    map.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return map;
}

const BYTES = alphabet();

/** The bytes that a token of the vocabulary stands for; a character outside the alphabet stands for nothing. */
export const bytesOfToken = (token: string): Uint8Array =>
  Uint8Array.from([...token].flatMap((character) => BYTES.get(character) ?? []));

const CHARACTERS = Array.from(BYTES.keys());

/** Bytes in the letters of the alphabet. */
export const tokenOfBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => CHARACTERS[byte]).join("");
