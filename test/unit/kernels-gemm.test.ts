import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { Weights } from "../../kernels/forward.ts";
import type { DecodableFormat, Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { codecs } from "../../kernels/scalar/index.ts";
import { createNormal, createRandom } from "./kernel-inputs.ts";

const { available, native } = chooseKernels("scalar");
const scalar = available[0];

const normals = (length: number, seed: number) => Float32Array.from({ length }, createNormal(seed));
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const sameBits = (a: Float32Array, b: Float32Array) => Buffer.compare(bytesOf(a), bytesOf(b)) === 0;

/** A matrix of every kind of storage, with its values as decoders (tested elsewhere) give them. */
function matrix(
  format: Weights["format"],
  rows: number,
  cols: number,
): { weights: Weights; values: Float32Array } {
  const random = createRandom(rows + cols);
  const values = new Float32Array(rows * cols);
  if (format === "f8") {
    const codes = Uint8Array.from(values, () => random() * 127).map((code, i) => (i & 1 ? code : code | 128));
    const scales = {
      values: Uint8Array.from(
        { length: Math.ceil((rows + 5) / 16) * Math.ceil(cols / 48) },
        () => 118 + random() * 6,
      ),
      ...{ blockRows: 16, blockCols: 48, firstRow: 5 },
    };
    expect(
      scalar.decodeF8(
        codes.map((c) => ((c & 127) === 127 ? 1 : c)),
        cols,
        scales,
        values,
      ),
    ).toBe(-1);
    return { weights: { format, codes: codes.map((c) => ((c & 127) === 127 ? 1 : c)), scales }, values };
  }
  if (format === "fp4") {
    const codes = Uint8Array.from({ length: (rows * cols) / 2 }, () => random() * 256);
    const scales = Uint8Array.from({ length: (rows * cols) / 32 }, () => 118 + random() * 6);
    scalar.decodeFp4(codes, scales, values);
    return { weights: { format, codes, scales }, values };
  }
  const { blockLength, blockBytes, encodeBlock } = codecs[format]!;
  const bytes = new Uint8Array(((rows * cols) / blockLength) * blockBytes);
  const source = normals(rows * cols, 3);
  if (encodeBlock) scalar.encode(format as "f32", source, bytes, { rowLength: cols });
  else
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = i % blockBytes < 4 ? [0x11, 0x2c][i & 1] : random() * 256;
  scalar.decode(format, bytes, values);
  return { weights: { format, bytes }, values };
}

/** Rounding error of a k-term f32 sum in any order, in parts of sum |x w|: (k + 1) half-units, and the runs' sums. */
function expectProduct(out: Float32Array, x: Float32Array, w: Float32Array, [m, n, k]: number[]): void {
  let worst = 0;
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let [sum, magnitude] = [0, 0];
      for (let c = 0; c < k; c++) {
        sum += x[i * k + c] * w[j * k + c];
        magnitude += Math.abs(x[i * k + c] * w[j * k + c]);
      }
      const bound = Math.min(k, 256 + Math.ceil(k / 256)) * 2 ** -24 * magnitude * 1.01 + 1e-37;
      worst = Math.max(worst, Math.abs(out[i * n + j] - sum) / bound);
    }
  expect(worst).toBeLessThan(1);
}

const multiply = (kernels: Kernels, x: Float32Array, weights: Weights, [m, n, k]: number[]) => {
  const out = new Float32Array(m * n).fill(Number.NaN);
  expect(kernels.gemm({ x, rows: m, cols: k, weights, out, outRows: n })).toBe(-1);
  return out;
};

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s gemm", (_, kernels) => {
  test.each([
    [1, 1, 1],
    [1, 7, 3],
    [2, 33, 16],
    [3, 40, 255],
    [4, 17, 256],
    [5, 16, 257],
    [6, 64, 300],
    [7, 65, 512],
    [13, 130, 700],
    [29, 9, 1000],
  ])("f32, %i x %i, k = %i, within the error bound", (m, n, k) => {
    const x = normals(m * k, 1);
    const w = normals(n * k, 2);
    const out = multiply(kernels, x, { format: "f32", bytes: bytesOf(w) }, [m, n, k]);
    expectProduct(out, x, w, [m, n, k]);
  });

  test("f32 that is not aligned to four bytes", () => {
    const [m, n, k] = [2, 9, 64];
    const x = normals(m * k, 1);
    const w = normals(n * k, 2);
    const shifted = new Uint8Array(w.byteLength + 1).subarray(1);
    shifted.set(bytesOf(w));
    const aligned = multiply(kernels, x, { format: "f32", bytes: bytesOf(w) }, [m, n, k]);
    expect(sameBits(multiply(kernels, x, { format: "f32", bytes: shifted }, [m, n, k]), aligned)).toBe(true);
  });

  test.each([...Object.keys(codecs), "f8", "fp4"] as Weights["format"][])(
    "%s equals decode, then multiply",
    (format) => {
      for (const [m, n, k] of [
        [1, 19, 768],
        [7, 70, 512],
      ]) {
        const x = normals(m * k, 4);
        const { weights, values } = matrix(format, n, k);
        const out = multiply(kernels, x, weights, [m, n, k]);
        expect(
          sameBits(out, multiply(kernels, x, { format: "f32", bytes: bytesOf(values) }, [m, n, k])),
        ).toBe(true);
        expectProduct(out, x, values, [m, n, k]);
      }
    },
  );

  test("FP4 groups and FP8 blocks that no run of columns respects", () => {
    const [m, n, k] = [3, 11, 960];
    const x = normals(m * k, 4);
    const values = new Float32Array(n * k);
    const random = createRandom(8);
    const codes = Uint8Array.from({ length: n * k }, () => random() * 126);
    for (const group of [6, 96, 480, 960]) {
      const scales = Uint8Array.from({ length: (n * k) / group }, () => 120 + random() * 4);
      const packed = codes.subarray(0, (n * k) / 2);
      expect(scalar.decodeFp4(packed, scales, values)).toBe(-1);
      const expected = multiply(kernels, x, { format: "f32", bytes: bytesOf(values) }, [m, n, k]);
      expect(
        sameBits(multiply(kernels, x, { format: "fp4", codes: packed, scales }, [m, n, k]), expected),
      ).toBe(true);

      const count = Math.ceil((n + 2) / 3) * Math.ceil(k / (group + 1));
      const blocks = {
        values: Float32Array.from({ length: count }, () => random() - 0.5),
        ...{ blockRows: 3, blockCols: group + 1, firstRow: 2 },
      };
      expect(scalar.decodeF8(codes, k, blocks, values)).toBe(-1);
      const product = multiply(kernels, x, { format: "f32", bytes: bytesOf(values) }, [m, n, k]);
      expect(
        sameBits(multiply(kernels, x, { format: "f8", codes, scales: blocks }, [m, n, k]), product),
      ).toBe(true);
    }
  });

  test("no split of m or n changes a bit", () => {
    const [m, n, k] = [23, 83, 520];
    const x = normals(m * k, 5);
    const w = normals(n * k, 6);
    const whole = multiply(kernels, x, { format: "f32", bytes: bytesOf(w) }, [m, n, k]);
    const random = createRandom(11);
    for (let round = 0; round < 12; round++) {
      const out = new Float32Array(m * n).fill(Number.NaN);
      for (let i = 0, rows = 0; i < m; i += rows) {
        rows = Math.min(m - i, 1 + Math.floor(random() * (round < 6 ? 5 : 20)));
        for (let j = 0, cols = 0; j < n; j += cols) {
          cols = Math.min(n - j, 1 + Math.floor(random() * (round % 2 ? 9 : 70)));
          const bytes = bytesOf(w.subarray(j * k, (j + cols) * k));
          kernels.gemm({
            x: x.subarray(i * k, (i + rows) * k),
            ...{ rows, cols: k, weights: { format: "f32", bytes } },
            out: out.subarray(i * n + j, (i + rows - 1) * n + j + cols),
            ...{ outRows: cols, outStride: n },
          });
        }
      }
      expect(sameBits(out, whole)).toBe(true);
    }
  });

  test("strides leave what lies between alone", () => {
    const [m, n, k] = [9, 21, 40];
    const x = normals(m * 50, 7);
    const w = normals(n * k, 8);
    const out = new Float32Array(m * 30).fill(7);
    const weights: Weights = { format: "f32", bytes: bytesOf(w) };
    kernels.gemm({
      x,
      rows: m,
      cols: k,
      xStride: 50,
      weights,
      out: out.subarray(5),
      outRows: n,
      outStride: 30,
    });
    const dense = Float32Array.from({ length: m * k }, (_, i) => x[Math.floor(i / k) * 50 + (i % k)]);
    const expected = multiply(kernels, dense, weights, [m, n, k]);
    out.forEach((value, i) => {
      const column = (i % 30) - 5;
      expect(value).toBe(column >= 0 && column < n ? expected[Math.floor(i / 30) * n + column] : 7);
    });
  });

  test("an infinity or a NaN in x stays in its row", () => {
    const x = new Float32Array(3 * 32).fill(1);
    x[40] = Number.NaN;
    const w = new Float32Array(8 * 32).fill(1);
    const out = multiply(kernels, x, { format: "f32", bytes: bytesOf(w) }, [3, 8, 32]);
    expect(Array.from(out, Number.isNaN)).toEqual(Array.from({ length: 24 }, (_, i) => i >= 8 && i < 16));
  });

  test("names the row of W that has no value", () => {
    const x = new Float32Array(2 * 512);
    const out = new Float32Array(2 * 100);
    const fp4 = matrix("fp4", 100, 512).weights as Extract<Weights, { format: "fp4" }>;
    fp4.scales[16 * 71 + 9] = 255;
    expect(kernels.gemm({ x, rows: 2, cols: 512, weights: fp4, out, outRows: 100 })).toBe(71);
    const f8 = matrix("f8", 100, 512).weights as Extract<Weights, { format: "f8" }>;
    f8.codes[512 * 99 + 511] = 0xff;
    expect(kernels.gemm({ x, rows: 2, cols: 512, weights: f8, out, outRows: 100 })).toBe(99);
  });

  test("every wrong length is refused, and empty products are fine", () => {
    const [rows, cols, outRows] = [3, 256, 5];
    const x = new Float32Array(rows * cols);
    const out = new Float32Array(rows * outRows);
    for (const format of ["q4_K", "fp4", "f8", "f32"] as Weights["format"][]) {
      const { weights } = matrix(format, outRows, cols);
      const good = { x, rows, cols, weights, out, outRows };
      expect(kernels.gemm(good)).toBe(-1);
      const codes = "bytes" in weights ? weights.bytes : weights.codes;
      const short = codes.subarray(1);
      const bad = [
        { x: x.subarray(1) },
        { x: new Float32Array(x.length + 1) },
        { out: out.subarray(1) },
        { out: new Float32Array(out.length + 1) },
        { rows: 4 },
        { rows: -1 },
        { rows: 2.5 },
        { cols: 255 },
        { cols: 0 },
        { outRows: 6 },
        { xStride: 255 },
        { xStride: 258 },
        { outStride: 4 },
        { outStride: 7 },
        { weights: "bytes" in weights ? { ...weights, bytes: short } : { ...weights, codes: short } },
        ...(weights.format === "fp4"
          ? [{ weights: { ...weights, scales: weights.scales.subarray(1) } }]
          : []),
        ...(weights.format === "f8"
          ? [
              { weights: { ...weights, scales: { ...weights.scales, firstRow: 400 } } },
              { weights: { ...weights, scales: { ...weights.scales, blockCols: 1 } } },
            ]
          : []),
      ];
      for (const change of bad)
        expect(
          () => kernels.gemm({ ...good, ...change } as typeof good),
          JSON.stringify(Object.keys(change)),
        ).toThrow(RangeError);
      expect(kernels.gemm({ ...good, rows: 0, x: x.subarray(0, 0), out: out.subarray(0, 0) })).toBe(-1);
    }
    const none: Weights = { format: "f32", bytes: new Uint8Array(0) };
    expect(kernels.gemm({ x, rows, cols, weights: none, out: out.subarray(0, 0), outRows: 0 })).toBe(-1);
  });

  test("the sets agree within rounding", () => {
    const [m, n, k] = [3, 20, 512];
    const x = normals(m * k, 12);
    const { weights, values } = matrix("q4_K" as DecodableFormat, n, k);
    const ours = multiply(kernels, x, weights, [m, n, k]);
    const twin = multiply(scalar, x, weights, [m, n, k]);
    expectProduct(ours, x, values, [m, n, k]);
    expect(Math.max(...ours.map((value, i) => Math.abs(value - twin[i])))).toBeLessThan(1e-4);
  });
});

describe.skipIf(!native)("worker threads", () => {
  test("write column ranges of one matrix at once, the same bits as one call", async () => {
    const [m, n, k, threads] = [10, 200, 512, 4];
    const slab = new SharedArrayBuffer(4 * (m * k + n * k + m * n));
    const x = new Float32Array(slab, 0, m * k);
    const w = new Float32Array(slab, 4 * m * k, n * k);
    const out = new Float32Array(slab, 4 * (m * k + n * k), m * n).fill(Number.NaN);
    x.set(normals(m * k, 1));
    w.set(normals(n * k, 2));
    const kernels = available[available.length - 1];
    const script = `
      const { parentPort, workerData } = require("node:worker_threads");
      const { url, set, slab, part, m, n, k, threads } = workerData;
      import(url).then(({ loadKernels }) => {
        const first = Math.floor((n * part) / threads), outRows = Math.floor((n * (part + 1)) / threads) - first;
        const x = new Float32Array(slab, 0, m * k);
        const bytes = new Uint8Array(slab, 4 * (m * k + first * k), 4 * outRows * k);
        const out = new Float32Array(slab, 4 * (m * k + n * k + first), m * n - first);
        const job = { x, rows: m, cols: k, weights: { format: "f32", bytes }, out, outRows, outStride: n };
        let status = -1;
        for (let i = 0; i < 50; i++) status = Math.max(status, loadKernels(set).gemm(job));
        parentPort.postMessage(status);
      });`;
    const url = new URL("../../dist/kernels/load.js", import.meta.url).href;
    const results = await Promise.all(
      Array.from({ length: threads }, (_, part) => {
        const worker = new Worker(script, {
          eval: true,
          workerData: { url, set: kernels.set, slab, part, m, n, k, threads },
        });
        return new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
      }),
    );
    expect(results).toEqual(Array(threads).fill(-1));
    const expected = multiply(kernels, x.slice(), { format: "f32", bytes: bytesOf(w.slice()) }, [m, n, k]);
    expect(sameBits(out.slice(), expected)).toBe(true);
  });
});
