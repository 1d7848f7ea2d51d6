import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { distModule } from "../../tools/lib/package-root.ts";
import { FULL } from "../support/scratch.ts";
import { createNormal } from "./kernel-inputs.ts";

const sets = chooseKernels("scalar").available.filter(({ set }) => set !== "scalar");
const normals = (length: number, seed: number) => Float32Array.from({ length }, createNormal(seed));
const bytesOf = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Products, attention and streams large enough to be shared out, of odd sizes. */
function work(kernels: Kernels): Buffer {
  const parts: Float32Array[] = [];
  for (const [rows, cols, outRows] of [
    [1, 2048, 1537],
    [37, 512, 700],
    [300, 256, 65],
  ]) {
    const out = new Float32Array(rows * outRows);
    const weights = { format: "f32" as const, bytes: new Uint8Array(normals(cols * outRows, 2).buffer) };
    expect(kernels.gemm({ x: normals(rows * cols, 1), rows, cols, weights, out, outRows })).toBe(-1);
    parts.push(out);
    const codes = Uint8Array.from({ length: (outRows * cols) / 2 }, (_, i) => (i * 37) & 255);
    const scales = Uint8Array.from({ length: (outRows * cols) / 32 }, (_, i) => 120 + (i % 9));
    const fp4 = new Float32Array(rows * outRows);
    const packed = { format: "fp4" as const, codes, scales };
    kernels.gemm({ x: normals(rows * cols, 3), rows, cols, weights: packed, out: fp4, outRows });
    parts.push(fp4);
    const f8 = new Float32Array(rows * outRows);
    const blocks = Math.ceil((5 + outRows) / 128) * Math.ceil(cols / 128);
    kernels.gemm({
      x: normals(rows * cols, 4),
      rows,
      cols,
      weights: {
        format: "f8",
        codes: Uint8Array.from({ length: outRows * cols }, (_, i) => (i * 53) % 127),
        scales: {
          values: Uint8Array.from({ length: blocks }, (_, i) => 118 + (i % 5)),
          blockRows: 128,
          blockCols: 128,
          firstRow: 5,
        },
      },
      out: f8,
      outRows,
    });
    parts.push(f8);
  }
  const heads = new Float32Array(18 * 256);
  kernels.attend({
    q: normals(18 * 256, 5),
    headDim: 256,
    keys: normals(300 * 256, 6),
    index: Int32Array.from({ length: 250 }, (_, i) => (i * 7) % 300),
    scale: 1 / 16,
    sinks: normals(18, 7),
    out: heads,
  });
  const streams = normals(50 * 4 * 333, 8);
  const x = new Float32Array(50 * 333);
  kernels.streamsIn(streams, 4, normals(200, 9), x);
  kernels.streamsOut(streams, x, normals(200, 10), normals(800, 11));
  return Buffer.concat([...parts, heads, x, streams].map(bytesOf));
}

describe.each(sets.map(({ set }) => [set]))("%s", (set) => {
  test("the same bits from 1, 2, 3 and 8 threads", () => {
    const one = work(chooseKernels(set, 1).kernels);
    for (const threads of [2, 3, 8])
      for (let again = 0; again < (FULL ? 3 : 1); again++)
        expect(Buffer.compare(work(chooseKernels(set, threads).kernels), one)).toBe(0);
  });

  test("the first bad row is named, whoever meets it", () => {
    const scales = new Uint8Array(1024 * 16).fill(127);
    for (const row of [1000, 700, 63]) scales[row * 16 + 3] = 255;
    const codes = new Uint8Array(1024 * 256);
    for (const threads of [1, 4])
      for (let again = 0; again < 20; again++)
        expect(
          chooseKernels(set, threads).kernels.gemm({
            x: new Float32Array(8 * 512),
            rows: 8,
            cols: 512,
            weights: { format: "fp4", codes, scales },
            out: new Float32Array(8 * 1024),
            outRows: 1024,
          }),
        ).toBe(63);
  });
});

test.skipIf(sets.length === 0)("several Node threads at once, each with a pool of its own wish", async () => {
  const source = `
    import { parentPort, workerData } from "node:worker_threads";
    const { chooseKernels } = await import(workerData.load);
    const { kernels } = chooseKernels(undefined, workerData.threads);
    const x = Float32Array.from({ length: 64 * 512 }, (_, i) => Math.sin(i));
    const bytes = new Uint8Array(Float32Array.from({ length: 700 * 512 }, (_, i) => Math.cos(i)).buffer);
    let sum = "";
    for (let i = 0; i < 40; i++) {
      const out = new Float32Array(64 * 700);
      kernels.gemm({ x, rows: 64, cols: 512, weights: { format: "f32", bytes }, out, outRows: 700 });
      sum = Buffer.from(out.buffer).toString("base64").slice(-4000);
    }
    parentPort.postMessage(sum);
  `;
  const results = await Promise.all(
    [1, 2, 3, 4].map(
      (threads) =>
        new Promise<string>((resolve, reject) => {
          const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
          const workerData = { load: `file://${distModule("kernels/load")}`, threads };
          const worker = new Worker(url, { workerData });
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
  expect(new Set(results).size).toBe(1);
});
