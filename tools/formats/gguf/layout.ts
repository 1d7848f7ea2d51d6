import { byteLengthOf, type Dtype, traitsOf } from "../dtypes.ts";
import {
  GGUF_ARRAY_ID,
  type GgufMetadata,
  type GgufScalarName,
  type GgufValue,
  ggufScalar,
  ggufScalarId,
} from "./values.ts";

/** A tensor to be written. `ne` is innermost first: a `[out, in]` matrix has `ne = [in, out]`. */
export interface GgufTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly ne: readonly number[];
}

export interface GgufLayout {
  /** Everything before the data section, padded to the alignment. */
  readonly prefix: Uint8Array;
  /** Absolute position of each tensor, in the order given. */
  readonly offsets: readonly number[];
  /** Length of the whole file; the last tensor is padded too, as loaders demand. */
  readonly byteLength: number;
}

const GGUF_ALIGNMENT = 32;

/** Bytes of a tensor's data. */
export function ggufTensorBytes({ dtype, ne }: GgufTensor): number {
  return byteLengthOf(
    dtype,
    ne.reduce((product, dimension) => product * dimension, 1),
  );
}

/** Lays out a GGUF v3 file: header, metadata and tensor infos as bytes, and where each tensor's data goes. */
export function layoutGguf(metadata: GgufMetadata, tensors: readonly GgufTensor[]): GgufLayout {
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode("GGUF"));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    writeValue(out, value);
  }
  const relative: number[] = [];
  let end = 0;
  for (const tensor of tensors) {
    out.string(tensor.name);
    out.u32(tensor.ne.length);
    for (const dimension of tensor.ne) out.u64(dimension);
    out.u32(traitsOf(tensor.dtype).ggmlType as number);
    out.u64(end);
    relative.push(end);
    end = alignUp(end + ggufTensorBytes(tensor));
  }
  const written = out.finish();
  const prefix = new Uint8Array(alignUp(written.length));
  prefix.set(written);
  return {
    prefix,
    offsets: relative.map((offset) => prefix.length + offset),
    byteLength: prefix.length + end,
  };
}

const alignUp = (position: number): number => Math.ceil(position / GGUF_ALIGNMENT) * GGUF_ALIGNMENT;

function writeValue(out: ByteWriter, value: GgufValue): void {
  if (value.type !== "array") {
    out.u32(ggufScalarId(value.type));
    out.scalar(value.type, value.value);
    return;
  }
  out.u32(GGUF_ARRAY_ID);
  out.u32(ggufScalarId(value.of));
  out.u64(value.value.length);
  for (const item of value.value) out.scalar(value.of, item);
}

/** A growing little-endian byte buffer. */
class ByteWriter {
  #buffer = new Uint8Array(1 << 16);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  readonly #utf8 = new TextEncoder();

  bytes(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number | bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  string(text: string): void {
    const bytes = this.#utf8.encode(text);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  scalar(type: GgufScalarName, value: string | number | bigint | boolean): void {
    if (type === "string") {
      this.string(value as string);
      return;
    }
    const { bytes, set } = ggufScalar(type);
    // Reserving may move the buffer, so the view is taken after it.
    const at = this.#reserve(bytes);
    set(this.#view, at, value as number | bigint | boolean);
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#buffer.length));
      grown.set(this.#buffer);
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
