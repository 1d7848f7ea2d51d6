import type { Kernels } from "../../kernels/kernels.ts";
import { EMPTY_SPAN } from "../../kernels/safetensors.ts";
import { makeRows } from "./rows.ts";

/** The row length of all measurements: Flash's hidden size. */
export const COLS = 4096;

/** An operation that streams through memory, `bytesPerValue` read and written for every value. */
export interface Stream {
  readonly operation: "encode" | "decode" | "repack";
  readonly format: string;
  readonly bytesPerValue: number;
  /** Makes buffers for `values` values; the result works on the first `count` of them. */
  readonly prepare: (values: number) => (kernels: Kernels, count: number) => void;
}

const FP8_BLOCK = 128;
const FP4_BYTES = 17 / 32;
const f8Scales = (values: number): Uint8Array =>
  new Uint8Array((COLS / FP8_BLOCK) * Math.ceil(values / COLS / FP8_BLOCK)).fill(120);

/** Packed FP4 as in the checkpoint, groups of 32, all codes. */
const packedFp4 = (values: number) => ({
  codes: repeatBytes(
    Uint8Array.from({ length: 4099 }, (_, i) => i * 37),
    values / 2,
  ),
  scales: new Uint8Array(values / 32).fill(120),
});

function normalValues(values: number): Float32Array {
  const rows = makeRows("normal", 32, COLS);
  const all = new Float32Array(values);
  for (let at = 0; at < values; at += rows.length) all.set(rows.subarray(0, values - at), at);
  return all;
}

function fp8Decode(to: "f32" | "bf16"): Stream {
  return {
    operation: "decode",
    format: to === "f32" ? "fp8" : "fp8 to bf16",
    bytesPerValue: to === "f32" ? 5 : 3,
    prepare(values) {
      const codes = repeatBytes(
        Uint8Array.from({ length: 4099 }, (_, i) => (i * 37) % 127),
        values,
      );
      const scales = { values: f8Scales(values), blockRows: FP8_BLOCK, blockCols: FP8_BLOCK, firstRow: 0 };
      const wide = new Float32Array(to === "f32" ? values : 0);
      const narrow = new Uint8Array(to === "f32" ? 0 : 2 * values);
      const inexact = new Uint32Array(1);
      return (kernels, count) => {
        const part = codes.subarray(0, count);
        if (to === "f32") kernels.decodeF8(part, COLS, scales, wide.subarray(0, count));
        else kernels.decodeF8Bf16(part, COLS, scales, narrow.subarray(0, 2 * count), inexact);
      };
    },
  };
}

/** Something done to packed FP4; `run` gets exactly `count` values' codes, scales and `outBytes` per value of output. */
function fromFp4(
  operation: Stream["operation"],
  format: string,
  outBytes: number,
  run: (kernels: Kernels, codes: Uint8Array, scales: Uint8Array, out: Uint8Array, count: number) => void,
): Stream {
  return {
    operation,
    format,
    bytesPerValue: FP4_BYTES + outBytes,
    prepare(values) {
      const { codes, scales } = packedFp4(values);
      const out = new Uint8Array(outBytes * values);
      return (kernels, count) =>
        run(
          kernels,
          codes.subarray(0, count / 2),
          scales.subarray(0, count / 32),
          out.subarray(0, outBytes * count),
          count,
        );
    },
  };
}

const floats = (bytes: Uint8Array): Float32Array =>
  new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const changed = new Uint32Array(1);

/** From f32 rows to a format made of codes and something beside them. */
function fromRows(
  format: string,
  outBytes: number,
  run: (kernels: Kernels, x: Float32Array, out: Uint8Array, beside: Uint8Array) => void,
): Stream {
  return {
    operation: "encode",
    format,
    bytesPerValue: 4 + outBytes,
    prepare(values) {
      const x = normalValues(values);
      const out = new Uint8Array(values);
      const beside = new Uint8Array(values / 8);
      return (kernels, count) => run(kernels, x.subarray(0, count), out, beside);
    },
  };
}

const int4Matrix = (values: number, out: Uint8Array, beside: Uint8Array) => ({
  rowLength: COLS,
  group: 128 as const,
  packed: out.subarray(0, values / 2),
  scaleFormat: "bf16" as const,
  scales: beside.subarray(0, values / 64),
});

const mlxMatrix = (bits: 4 | 8, values: number, out: Uint8Array, beside: Uint8Array) => ({
  ...{ rowLength: COLS, group: 64 as const, bits },
  packed: out.subarray(0, (values * bits) / 8),
  scales: beside.subarray(0, values / 32),
  biases: beside.subarray(values / 32, values / 16),
});

const mlxEncode = (bits: 4 | 8): Stream =>
  fromRows(`mlx ${bits}-bit g64`, bits / 8 + 1 / 16, (kernels, x, out, beside) => {
    kernels.encodeMlxAffine(x, mlxMatrix(bits, x.length, out, beside));
  });

const mlxDecode = (bits: 4 | 8): Stream => ({
  operation: "decode",
  format: `mlx ${bits}-bit g64`,
  bytesPerValue: bits / 8 + 1 / 16 + 4,
  prepare(values) {
    const codes = repeatBytes(
      Uint8Array.from({ length: 4099 }, (_, i) => i * 37),
      values,
    );
    const beside = new Uint8Array(values / 16).fill(0x3c); // all scales and biases are 0x3c3c
    const dst = new Float32Array(values);
    return (kernels, count) => {
      kernels.decodeMlxAffine(mlxMatrix(bits, count, codes, beside), dst.subarray(0, count));
    };
  },
});

/** What happens to the checkpoint's own formats, and what safetensors outputs are made of. */
export const CHECKPOINT_STREAMS: readonly Stream[] = [
  fp8Decode("f32"),
  fp8Decode("bf16"),
  fromFp4("decode", "fp4", 4, (kernels, codes, scales, out) => kernels.decodeFp4(codes, scales, floats(out))),
  fromFp4("decode", "fp4 to bf16", 2, (kernels, codes, scales, out) =>
    kernels.decodeFp4Bf16(codes, scales, out, changed),
  ),
  fromFp4("repack", "fp4 to mxfp4", FP4_BYTES, (kernels, codes, scales, out) =>
    kernels.repackMxfp4(codes, scales, out),
  ),
  fromFp4("repack", "fp4 to nvfp4", 9 / 16, (kernels, codes, scales, out, count) => {
    const span = Uint8Array.from(EMPTY_SPAN);
    kernels.scanFp4(codes, scales, span);
    kernels.fp4ToNvfp4(codes, scales, -15, out.subarray(0, count / 2), out.subarray(count / 2), changed);
  }),
  fromFp4("repack", "fp4 to fp8", 1, (kernels, codes, scales, out, count) => {
    const blocks = { cols: COLS, blockRows: FP8_BLOCK, blockCols: FP8_BLOCK, scales: f8Scales(count) };
    kernels.fp4ToF8(codes, scales, blocks, out, changed);
  }),
  fromRows("fp8", 1, (kernels, x, out) => {
    const blocks = { cols: COLS, blockRows: FP8_BLOCK, blockCols: FP8_BLOCK, scales: f8Scales(x.length) };
    kernels.encodeF8(x, blocks, out.subarray(0, x.length));
  }),
  fromRows("nvfp4 (ModelOpt)", 9 / 16, (kernels, x, out, beside) => {
    kernels.encodeNvfp4Groups(
      x,
      Math.fround(0.25 / 2688),
      out.subarray(0, x.length / 2),
      beside.subarray(0, x.length / 16),
      { rowLength: COLS },
    );
  }),
  fromRows("int4 g128", 33 / 64, (kernels, x, out, beside) => {
    kernels.encodeInt4(x, int4Matrix(x.length, out, beside));
  }),
  ...([4, 8] as const).flatMap((bits) => [mlxDecode(bits), mlxEncode(bits)]),
];

export function repeatBytes(pattern: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += pattern.length)
    bytes.set(pattern.subarray(0, Math.min(pattern.length, length - at)), at);
  return bytes;
}
