import { byteLengthOf, type Dtype, traitsOf } from "../dtypes.ts";

/** A tensor to be written. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface SafetensorsLayout {
  /** Length prefix and JSON header. */
  readonly prefix: Uint8Array;
  /** Absolute position of each tensor, in the order given. */
  readonly offsets: readonly number[];
  readonly byteLength: number;
}

/** Lays tensors out in the order given: contiguous data after a header padded with spaces to a multiple of 8. */
export function layoutSafetensors(
  tensors: readonly SafetensorsTensor[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  // Entries, not assignments: a tensor may be called __proto__.
  const header: [string, unknown][] = [["__metadata__", { format: "pt", ...metadata }]];
  const relative: number[] = [];
  let end = 0;
  for (const { name, dtype, shape } of tensors) {
    const begin = end;
    end += byteLengthOf(
      dtype,
      shape.reduce((product, dimension) => product * dimension, 1),
    );
    header.push([name, { dtype: traitsOf(dtype).safetensors, shape, data_offsets: [begin, end] }]);
    relative.push(begin);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const prefix = new Uint8Array(8 + headerBytes).fill(0x20);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(headerBytes), true);
  prefix.set(json, 8);
  return {
    prefix,
    offsets: relative.map((offset) => prefix.length + offset),
    byteLength: prefix.length + end,
  };
}
