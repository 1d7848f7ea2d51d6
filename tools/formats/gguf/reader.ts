import { dataError } from "../../lib/errors.ts";
import type { ReadableFile } from "../../lib/files.ts";
import { MAX_GGUF_DIMS, MAX_GGUF_HEADER_BYTES, MAX_GGUF_NAME_BYTES } from "../../lib/limits.ts";
import { elementCount, formatShape } from "../../lib/shape.ts";
import { byteLengthOf, type Dtype, dtypeOfGgmlType } from "../dtypes.ts";
import {
  GGUF_ARRAY_ID,
  type GgufMetadata,
  type GgufScalarName,
  type GgufValue,
  ggufScalar,
  ggufScalarName,
} from "./values.ts";

/** A tensor as a GGUF states it; `ne` is innermost first. */
export interface GgufEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly ne: readonly number[];
  /** Absolute position in the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface GgufHeader {
  readonly metadata: GgufMetadata;
  readonly entries: readonly GgufEntry[];
}

/** Reads metadata and tensor infos of a GGUF v3 and checks the rules of llama.cpp's loader; no tensor data is touched. */
export async function readGgufHeader(file: ReadableFile): Promise<GgufHeader> {
  // The header's length is stated nowhere: read a window and double it until the header fits.
  for (let window = 1 << 20; ; window *= 2) {
    const bytes = new Uint8Array(Math.min(window, file.byteLength));
    await file.read(bytes, 0);
    try {
      return parseGgufHeader(new Cursor(bytes, file.path), file.byteLength);
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error;
      if (bytes.length === file.byteLength)
        throw dataError({
          what: "the file ends inside the GGUF header",
          file: file.path,
          offset: bytes.length,
          next: "fetch it again",
        });
      if (window >= MAX_GGUF_HEADER_BYTES)
        throw dataError({
          what: "the GGUF header is unreasonably long",
          file: file.path,
          expected: `at most ${MAX_GGUF_HEADER_BYTES} bytes`,
        });
    }
  }
}

/** Thrown by the cursor when the window ends inside the header. */
class NeedsMore extends Error {}

function parseGgufHeader(cursor: Cursor, fileBytes: number): GgufHeader {
  const { file } = cursor;
  const magic = cursor.u32();
  if (magic !== 0x46554747) throw dataError({ what: "not a GGUF file (wrong magic)", file, offset: 0 });
  const version = cursor.u32();
  if (version !== 3)
    throw dataError({
      what: "unsupported GGUF version",
      file,
      offset: 4,
      expected: "3",
      found: String(version),
    });
  const tensorCount = cursor.count("tensor count");
  const keyCount = cursor.count("key count");
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string();
    if (key === "" || metadata.has(key))
      throw dataError({ what: `the metadata key "${key}" is empty or appears twice`, file });
    metadata.set(key, readValue(cursor, key));
  }
  const infos = Array.from({ length: tensorCount }, () => readInfo(cursor));
  return {
    metadata,
    entries: placeTensors(infos, alignmentOf(metadata, file), cursor.position, fileBytes, file),
  };
}

function readValue(cursor: Cursor, key: string): GgufValue {
  const type = cursor.u32();
  if (type !== GGUF_ARRAY_ID) {
    const name = scalarName(type, key, cursor.file);
    return { type: name, value: cursor.scalar(name) } as GgufValue;
  }
  const of = scalarName(cursor.u32(), key, cursor.file);
  const count = cursor.count(`length of the array ${key}`);
  return { type: "array", of, value: Array.from({ length: count }, () => cursor.scalar(of)) } as GgufValue;
}

function scalarName(id: number, key: string, file: string): GgufScalarName {
  const name = ggufScalarName(id);
  if (!name)
    throw dataError({ what: `the metadata key "${key}" has an unknown value type`, file, found: String(id) });
  return name;
}

interface Info {
  readonly name: string;
  readonly dtype: Dtype;
  readonly ne: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
}

function readInfo(cursor: Cursor): Info {
  const { file } = cursor;
  const name = cursor.string();
  if (Buffer.byteLength(name) > MAX_GGUF_NAME_BYTES)
    throw dataError({
      what: "the tensor name is too long",
      file,
      tensor: name,
      expected: `at most ${MAX_GGUF_NAME_BYTES} bytes`,
    });
  const dims = cursor.u32();
  if (dims < 1 || dims > MAX_GGUF_DIMS)
    throw dataError({
      what: "wrong number of dimensions",
      file,
      tensor: name,
      expected: `1 to ${MAX_GGUF_DIMS}`,
      found: String(dims),
    });
  const ne = Array.from({ length: dims }, () => cursor.size(`dimension of ${name}`));
  const type = cursor.u32();
  const traits = dtypeOfGgmlType(type);
  if (!traits) throw dataError({ what: "unknown ggml type", file, tensor: name, found: String(type) });
  const count = elementCount(ne);
  if (count === undefined)
    throw dataError({ what: "the shape's product exceeds 2^53", file, tensor: name, found: formatShape(ne) });
  if (ne[0] % traits.blockLength !== 0)
    throw dataError({
      what: `the row length is no multiple of the ${traits.name} block length`,
      file,
      tensor: name,
      found: formatShape(ne),
    });
  return {
    name,
    dtype: traits.name,
    ne,
    offset: cursor.size(`offset of ${name}`),
    byteLength: byteLengthOf(traits.name, count),
  };
}

function alignmentOf(metadata: GgufMetadata, file: string): number {
  const stated = metadata.get("general.alignment");
  if (stated === undefined) return 32;
  const { value } = stated;
  if (stated.type !== "u32" || typeof value !== "number" || value < 1 || (value & (value - 1)) !== 0)
    throw dataError({ what: "general.alignment is not a power of two", file, found: String(value) });
  return value;
}

/** Tensors lie one after the other in the order of their infos, each padded to the alignment, the last one too. */
function placeTensors(
  infos: readonly Info[],
  alignment: number,
  headerEnd: number,
  fileBytes: number,
  file: string,
): GgufEntry[] {
  const dataStart = Math.ceil(headerEnd / alignment) * alignment;
  const names = new Set<string>();
  let expected = 0;
  return infos.map(({ name, dtype, ne, offset, byteLength }) => {
    if (names.has(name)) throw dataError({ what: "the tensor name appears twice", file, tensor: name });
    names.add(name);
    if (offset !== expected)
      throw dataError({
        what: "the tensor is not where the one before it ends",
        file,
        tensor: name,
        expected: `offset ${expected}`,
        found: String(offset),
      });
    expected += Math.ceil(byteLength / alignment) * alignment;
    if (dataStart + offset + byteLength > fileBytes)
      throw dataError({
        what: "the tensor lies beyond the end of the file",
        file,
        tensor: name,
        found: `${fileBytes} bytes in the file`,
        next: "the file is truncated: fetch or build it again",
      });
    return { name, dtype, ne, byteOffset: dataStart + offset, byteLength };
  });
}

/** Little-endian reads from a window of the file. */
class Cursor {
  position = 0;
  readonly file: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.file = file;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A u64 that counts or measures something in this file, so it must be a safe integer. */
  size(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw dataError({
        what: `unreasonable ${what}`,
        file: this.file,
        offset: this.position - 8,
        found: String(value),
      });
    return Number(value);
  }

  /** A u64 that counts items of at least one byte each, all of them inside this header. */
  count(what: string): number {
    const value = this.size(what);
    if (value > MAX_GGUF_HEADER_BYTES)
      throw dataError({
        what: `unreasonable ${what}`,
        file: this.file,
        offset: this.position - 8,
        found: String(value),
      });
    return value;
  }

  string(): string {
    const length = this.count("string length");
    const at = this.#take(length);
    try {
      return this.#utf8.decode(this.#bytes.subarray(at, at + length));
    } catch (error) {
      throw dataError({ what: "a string is not valid UTF-8", file: this.file, offset: at }, error);
    }
  }

  scalar(type: GgufScalarName): string | number | bigint | boolean {
    if (type === "string") return this.string();
    const { bytes, get } = ggufScalar(type);
    return get(this.#view, this.#take(bytes));
  }

  #take(bytes: number): number {
    const at = this.position;
    if (at + bytes > this.#bytes.length) throw new NeedsMore();
    this.position = at + bytes;
    return at;
  }
}
