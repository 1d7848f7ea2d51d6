import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { DecodableFormat, EncodableFormat, F8Scales } from "../../kernels/kernels.ts";
import { chooseKernels, KernelsUnavailable, loadKernels } from "../../kernels/load.ts";
import { codecs } from "../../kernels/scalar/index.ts";
import { createRandom } from "./kernel-inputs.ts";

/** What every kernel set promises beyond its arithmetic: lengths, positions of bad values, block geometry. */
const { available, native } = chooseKernels("scalar");

const randomBytes = (length: number, seed = 1) => {
  const random = createRandom(seed);
  return Uint8Array.from({ length }, () => random() * 256);
};
const sameBits = (a: Float32Array, b: Float32Array) =>
  Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s", (_, kernels) => {
  test.each(Object.keys(codecs) as DecodableFormat[])("%s refuses every wrong length", (format) => {
    const { blockLength, blockBytes, encodeBlock } = codecs[format]!;
    const bytes = new Uint8Array(4 * blockBytes);
    const values = new Float32Array(4 * blockLength);
    expect(kernels.decode(format, bytes, values)).toBe(-1);
    expect(() => kernels.decode(format, bytes.subarray(1), values)).toThrow(RangeError);
    expect(() => kernels.decode(format, bytes, values.subarray(1))).toThrow(RangeError);
    expect(() => kernels.decode(format, bytes, new Float32Array(5 * blockLength))).toThrow(RangeError);
    if (!encodeBlock) return;
    const encode = (src: Float32Array, dst: Uint8Array, rowLength: number, importance?: Float32Array) =>
      kernels.encode(format as EncodableFormat, src, dst, { rowLength, ...(importance && { importance }) });
    const row = 2 * blockLength;
    expect(encode(values, bytes, row, new Float32Array(row))).toBe(-1);
    expect(() => encode(values, bytes.subarray(1), row)).toThrow(RangeError);
    expect(() => encode(values.subarray(1), bytes, row)).toThrow(RangeError);
    expect(() => encode(values, bytes, 3 * blockLength)).toThrow(RangeError);
    expect(() => encode(values, bytes, 0)).toThrow(RangeError);
    expect(() => encode(values, bytes, row + 0.5)).toThrow(RangeError);
    expect(() => encode(values, bytes, row, new Float32Array(row - 1))).toThrow(RangeError);
    expect(() => encode(values, bytes, row, new Float32Array(row).fill(-1))).toThrow(RangeError);
    expect(() => encode(values, bytes, row, new Float32Array(row).fill(Number.NaN))).toThrow(RangeError);
  });

  test("an empty tensor is fine", () => {
    expect(kernels.decode("q4_K", new Uint8Array(0), new Float32Array(0))).toBe(-1);
    expect(kernels.encode("q4_K", new Float32Array(0), new Uint8Array(0), { rowLength: 256 })).toBe(-1);
  });

  test("mxfp4 names the block of a reserved scale", () => {
    const bytes = new Uint8Array(17 * 5);
    bytes[17 * 3] = 255;
    expect(kernels.decode("mxfp4", bytes, new Float32Array(160))).toBe(3);
  });

  test.each([
    [128, 128, 300, 320, 0],
    [128, 128, 130, 256, 100],
    [1, 32, 3, 96, 2],
    [7, 5, 20, 33, 4],
  ])("FP8 blocks of %i x %i, %i rows of %i from row %i", (blockRows, blockCols, rows, cols, firstRow) => {
    const codes = randomBytes(rows * cols).map((code) => ((code & 127) === 127 ? 1 : code));
    const count = Math.ceil((rows + firstRow) / blockRows) * Math.ceil(cols / blockCols);
    const random = createRandom(9);
    const e8m0 = Uint8Array.from({ length: count }, () => random() * 255);
    const f32 = Float32Array.from({ length: count }, () => random() - 0.5);
    const dst = new Float32Array(rows * cols);
    const decode = (values: F8Scales["values"]) =>
      kernels.decodeF8(codes, cols, { values, blockRows, blockCols, firstRow }, dst);
    for (const values of [e8m0, f32]) {
      expect(decode(values)).toBe(-1);
      const expected = dst.map((_, i) => {
        const code = codes[i];
        const [exponent, mantissa] = [(code >> 3) & 15, code & 7];
        const magnitude = exponent ? (1 + mantissa / 8) * 2 ** (exponent - 7) : mantissa * 2 ** -9;
        const row = Math.floor((Math.floor(i / cols) + firstRow) / blockRows);
        const scale = values[row * Math.ceil(cols / blockCols) + Math.floor((i % cols) / blockCols)];
        return (code & 128 ? -magnitude : magnitude) * (values === e8m0 ? 2 ** (scale - 127) : scale);
      });
      expect(sameBits(dst, expected)).toBe(true);
      expect(() => decode(values.subarray(1))).toThrow(RangeError);
    }
    expect(() =>
      kernels.decodeF8(codes.subarray(1), cols, { values: e8m0, blockRows, blockCols, firstRow }, dst),
    ).toThrow(RangeError);
    expect(() =>
      kernels.decodeF8(codes, cols, { values: e8m0, blockRows: 0, blockCols, firstRow }, dst),
    ).toThrow(RangeError);
    expect(() =>
      kernels.decodeF8(codes, cols, { values: e8m0, blockRows, blockCols, firstRow: -1 }, dst),
    ).toThrow(RangeError);
  });

  test("FP8 decodes every code under every scale, and names NaN codes and reserved scales", () => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i).filter((code) => (code & 127) !== 127);
    const dst = new Float32Array(codes.length);
    for (let e = 0; e < 255; e++) {
      const scales = { values: Uint8Array.of(e), blockRows: 1, blockCols: 254, firstRow: 0 };
      expect(kernels.decodeF8(codes, 254, scales, dst)).toBe(-1);
      const expected = available[0];
      const twin = new Float32Array(codes.length);
      expected.decodeF8(codes, 254, scales, twin);
      expect(sameBits(dst, twin)).toBe(true);
    }
    const scales = { values: Uint8Array.of(127, 127, 127, 255), blockRows: 1, blockCols: 127, firstRow: 0 };
    const two = new Uint8Array(508);
    expect(kernels.decodeF8(two, 254, scales, new Float32Array(508))).toBe(381);
    two[300] = 0xff;
    expect(kernels.decodeF8(two, 254, scales, new Float32Array(508))).toBe(300);
  });

  test("packed FP4: every byte under every scale, and a repack that keeps every value", () => {
    const codes = Uint8Array.from({ length: 16 * 255 }, (_, i) => (i * 7 + (i >> 8)) & 255);
    const scales = Uint8Array.from({ length: 255 }, (_, e) => e);
    const values = new Float32Array(32 * 255);
    expect(kernels.decodeFp4(codes, scales, values)).toBe(-1);
    const table = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    const expected = values.map((_, i) => {
      const nibble = (codes[i >> 1] >> (4 * (i & 1))) & 15;
      return (nibble & 8 ? -table[nibble & 7] : table[nibble]) * 2 ** (scales[i >> 5] - 127);
    });
    expect(sameBits(values, expected)).toBe(true);

    const blocks = new Uint8Array(17 * 255);
    expect(kernels.repackMxfp4(codes, scales, blocks)).toBe(-1);
    const repacked = new Float32Array(values.length);
    expect(kernels.decode("mxfp4", blocks, repacked)).toBe(-1);
    expect(repacked.every((value, i) => value === values[i])).toBe(true); // -0 reads as 0
    expect(blocks[17 * 9]).toBe(9);

    expect(() => kernels.repackMxfp4(codes, scales, blocks.subarray(1))).toThrow(RangeError);
    expect(() => kernels.repackMxfp4(codes.subarray(1), scales, blocks)).toThrow(RangeError);
    expect(() => kernels.decodeFp4(codes, scales, values.subarray(1))).toThrow(RangeError);
    expect(() => kernels.decodeFp4(codes, scales.subarray(1), values)).toThrow(RangeError);
    scales[7] = 255;
    expect(kernels.decodeFp4(codes, scales, values)).toBe(7);
    expect(kernels.repackMxfp4(codes, scales, blocks)).toBe(7);
  });

  test("packed FP4 in groups of 16, and in one group", () => {
    const codes = randomBytes(48);
    for (const scales of [Uint8Array.of(120, 121, 122, 123, 124, 125), Uint8Array.of(127)]) {
      const ours = new Float32Array(96);
      const twin = new Float32Array(96);
      expect(kernels.decodeFp4(codes, scales, ours)).toBe(-1);
      available[0].decodeFp4(codes, scales, twin);
      expect(sameBits(ours, twin)).toBe(true);
    }
  });
});

describe("choosing a set", () => {
  test("a forced set is the one that runs; an unknown one is refused by name", () => {
    for (const { set } of available) expect(loadKernels(set).set).toBe(set);
    expect(() => loadKernels("vax")).toThrow(KernelsUnavailable);
    expect(() => loadKernels("vax")).toThrow(/expected one of scalar/);
  });

  test("the fastest set is chosen, and a compiled one needs no warning", () => {
    const choice = chooseKernels("");
    expect(choice.kernels).toBe(choice.available[choice.available.length - 1]);
    expect(native === undefined).toBe(choice.warning !== undefined);
  });
});

describe.skipIf(!native)("the addon", () => {
  test("runs in worker threads on views of one SharedArrayBuffer", async () => {
    const rows = 4;
    const values = new Float32Array(new SharedArrayBuffer(4 * 1024 * rows)).map(() => 0);
    const random = createRandom(5);
    const slab = new SharedArrayBuffer(4 * 1024 * rows + rows * 576);
    const source = new Float32Array(slab, 0, 1024 * rows);
    source.set(values.map(() => random() - 0.5));
    const script = `
      const { parentPort, workerData } = require("node:worker_threads");
      const addon = require(workerData.path);
      const set = addon.sets().findIndex(({ name }) => name === "plain");
      const format = addon.formats().findIndex(({ name }) => name === "q4_K");
      const { slab, row, rows } = workerData;
      const src = new Float32Array(slab, 4 * 1024 * row, 1024);
      const dst = new Uint8Array(slab, 4 * 1024 * rows + 576 * row, 576);
      parentPort.postMessage(addon.encode(set, format, src, dst, 1024, null));`;
    const path = new URL("../../dist/kernels/v4kit-kernels.node", import.meta.url).pathname;
    const results = await Promise.all(
      Array.from({ length: rows }, (_, row) => {
        const worker = new Worker(script, { eval: true, workerData: { path, slab, row, rows } });
        return new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
      }),
    );
    expect(results).toEqual(Array(rows).fill(-1));
    const twin = new Uint8Array(rows * 576);
    available[0].encode("q4_K", source.slice(), twin, { rowLength: 1024 });
    expect(Buffer.compare(Buffer.from(slab, 4 * 1024 * rows), twin)).toBe(0);
  });

  test("drops a file's pages, and refuses what is no descriptor", () => {
    const folder = mkdtempSync(join(tmpdir(), "v4kit-"));
    writeFileSync(join(folder, "file"), new Uint8Array(8192));
    const fd = openSync(join(folder, "file"), "r");
    expect(native!.fadviseDontNeed(fd, 0, 8192)).toBe(0);
    closeSync(fd);
    rmSync(folder, { recursive: true });
    expect(() => native!.fadviseDontNeed(-1, 0, 1)).toThrow(RangeError);
    expect(() => native!.fadviseDontNeed(0.5, 0, 1)).toThrow(RangeError);
  });
});
