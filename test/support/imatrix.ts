import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ggufTensorBytes, layoutGguf } from "../../tools/formats/gguf/layout.ts";
import type { GgufValue } from "../../tools/formats/gguf/values.ts";

/** A tensor of an importance GGUF; other than f32 only to see it refused. */
export interface RawTensor {
  readonly name: string;
  readonly dtype?: "f32" | "f16";
  readonly ne: readonly number[];
  readonly values: readonly number[];
}

export const IMATRIX_TYPE: [string, GgufValue] = ["general.type", { type: "string", value: "imatrix" }];

/** The two tensors of a weight; sums are matrix after matrix. */
export function pairOf(name: string, sums: readonly number[], counts: readonly number[]): RawTensor[] {
  return [
    { name: `${name}.in_sum2`, ne: [sums.length / counts.length, counts.length], values: sums },
    { name: `${name}.counts`, ne: [1, counts.length], values: counts },
  ];
}

export function writeImportanceGguf(
  path: string,
  tensors: readonly RawTensor[],
  keys: readonly [string, GgufValue][] = [IMATRIX_TYPE],
): string {
  const placed = tensors.map(({ dtype = "f32", ...tensor }) => ({ ...tensor, dtype }));
  const { prefix, offsets, byteLength } = layoutGguf(new Map(keys), placed);
  const bytes = new Uint8Array(byteLength);
  bytes.set(prefix);
  placed.forEach((tensor, i) => {
    const values = Float32Array.from(tensor.values);
    bytes.set(
      new Uint8Array(values.buffer, 0, Math.min(values.byteLength, ggufTensorBytes(tensor))),
      offsets[i],
    );
  });
  writeFileSync(path, bytes);
  return path;
}

export interface RawEntry {
  readonly name: string | Uint8Array;
  readonly calls: number;
  readonly values: readonly number[];
  /** What the file says instead of the number of values. */
  readonly valueCount?: number;
  /** What the file says instead of the length of the name. */
  readonly nameBytes?: number;
}

/** Bytes of a legacy file; `dataset` adds the trailer. */
export function datBytes(
  entries: readonly RawEntry[],
  {
    entryCount = entries.length,
    chunks = 0,
    dataset,
  }: { entryCount?: number; chunks?: number; dataset?: string } = {},
): Buffer {
  const int = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return bytes;
  };
  const body = entries.flatMap(({ name, calls, values, valueCount, nameBytes }) => {
    const text = Buffer.from(name as string);
    return [
      int(nameBytes ?? text.length),
      text,
      int(calls),
      int(valueCount ?? values.length),
      Buffer.from(Float32Array.from(values).buffer),
    ];
  });
  const trailer =
    dataset === undefined ? [] : [int(chunks), int(Buffer.byteLength(dataset)), Buffer.from(dataset)];
  return Buffer.concat([int(entryCount), ...body, ...trailer]);
}

export function writeDat(folder: string, ...of: Parameters<typeof datBytes>): string {
  const path = join(folder, "x.dat");
  writeFileSync(path, datBytes(...of));
  return path;
}
