import { readFileSync } from "node:fs";

/** A float32 array of NumPy's .npy format (version 1, C order), as the golden folder holds them. */
export function readNpy(path: string): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const bytes = readFileSync(path);
  if (bytes.subarray(1, 6).toString("latin1") !== "NUMPY" || bytes[6] !== 1)
    throw new Error(`${path}: not an .npy of version 1`);
  const headerEnd = 10 + bytes.readUInt16LE(8);
  const header = bytes.subarray(10, headerEnd).toString("latin1");
  const shape = /'shape': \(([^)]*)\)/
    .exec(header)?.[1]
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  if (!shape || !header.includes("'descr': '<f4'") || !header.includes("'fortran_order': False"))
    throw new Error(`${path}: ${header}`);
  return {
    shape,
    data: new Float32Array(bytes.buffer.slice(bytes.byteOffset + headerEnd, bytes.byteOffset + bytes.length)),
  };
}
