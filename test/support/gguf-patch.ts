import { readFileSync, writeFileSync } from "node:fs";
import { type GgufEntry, readGgufHeader } from "../../tools/formats/gguf/reader.ts";
import { openForReading } from "../../tools/lib/files.ts";

/** A copy of a GGUF with some bytes changed in place, or what `change` returns of it. */
export async function patchGguf(
  from: string,
  to: string,
  change: (bytes: Buffer, tensor: (name: string) => Uint8Array) => unknown,
): Promise<string> {
  const file = await openForReading(from);
  let entries: readonly GgufEntry[];
  try {
    ({ entries } = await readGgufHeader(file));
  } finally {
    await file.close();
  }
  const bytes = readFileSync(from);
  const changed = change(bytes, (name) => {
    const entry = entries.find((one) => one.name === name);
    if (!entry) throw new Error(`${from} has no tensor ${name}`);
    return bytes.subarray(entry.byteOffset, entry.byteOffset + entry.byteLength);
  });
  writeFileSync(to, changed instanceof Buffer ? changed : bytes);
  return to;
}

/** Where the value of a metadata key begins: behind the key and its type. */
export function valueOffset(bytes: Buffer, key: string): number {
  const at = bytes.indexOf(key);
  if (at < 0 || bytes.readBigUInt64LE(at - 8) !== BigInt(key.length)) throw new Error(`no key ${key}`);
  return at + key.length + 4;
}

/** Where each string of an array of strings begins, and its length. */
export function stringOffsets(
  bytes: Buffer,
  key: string,
): { readonly at: number; readonly length: number }[] {
  const start = valueOffset(bytes, key);
  const count = Number(bytes.readBigUInt64LE(start + 4));
  const found: { at: number; length: number }[] = [];
  let at = start + 12;
  for (let i = 0; i < count; i++) {
    const length = Number(bytes.readBigUInt64LE(at));
    found.push({ at: at + 8, length });
    at += 8 + length;
  }
  return found;
}

/** Takes the last tensor out of the header; the name of the model grows by as much, so that the data stay where they are. */
export function removeTensorInfo(bytes: Buffer, name: string): void {
  const begin = bytes.indexOf(name) - 8;
  const dims = bytes.readUInt32LE(begin + 8 + name.length);
  const removed = 8 + name.length + 4 + 8 * dims + 4 + 8;
  const at = valueOffset(bytes, "general.name");
  const length = Number(bytes.readBigUInt64LE(at));
  const end = at + 8 + length;
  bytes.copy(bytes, end + removed, end, begin);
  bytes.fill(0x20, end, end + removed);
  bytes.writeBigUInt64LE(BigInt(length + removed), at);
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(8) - 1n, 8);
}
