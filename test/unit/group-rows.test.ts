import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { E2M1 } from "../../kernels/scalar/fp4.ts";
import { E4M3 } from "../../kernels/scalar/fp8.ts";
import { decodeRows, globalFactor, type StoredRows, sliceRows } from "../../tools/checkpoint/decode-rows.ts";
import type { CensusEntry } from "../../tools/model/census.ts";
import { storedLinear } from "../../tools/reference/linear.ts";
import { createRandom } from "./kernel-inputs.ts";

/** Rows of NVFP4 and INT4 groups, cut and multiplied: random codes and scales, no file. */

const { kernels } = chooseKernels();
const random = createRandom(11);
const randomBytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => random() * 256);

/** E4M3 scales of either sign, none of them NaN. */
function nvfp4Rows(rows: number, cols: number): StoredRows {
  const bytes = randomBytes((rows * cols) / 16).map((code) => ((code & 127) === 127 ? code - 1 : code));
  const scale = { kind: "e4m3", bytes, blockRows: 1, blockCols: 16, firstRow: 0 } as const;
  return {
    format: "nvfp4_groups",
    cols,
    weight: randomBytes((rows * cols) / 2),
    scale,
    globalScale: Math.fround(0.0123),
  };
}

/** BF16 scales around 1/64; zero points begin `firstRow` rows before the rows do. */
function int4Rows(rows: number, cols: number, group: number, firstRow: number): StoredRows {
  const bytes = Uint8Array.from({ length: (2 * rows * cols) / group }, (_, i) =>
    i % 2 ? 0x3c : random() * 128,
  );
  return {
    format: "int4_groups",
    cols,
    weight: randomBytes((rows * cols) / 2),
    scale: { kind: "bf16", bytes, blockRows: 1, blockCols: group, firstRow: 0 },
    zeroPoints: {
      bytes: randomBytes(4 * Math.ceil((firstRow + rows) / 8) * (cols / group)),
      blockRows: 8,
      firstRow,
    },
  };
}

function decoded(stored: StoredRows, set: Kernels = kernels): Float32Array {
  const values = new Float32Array(2 * stored.weight.length);
  expect(decodeRows(set, stored, values)).not.toHaveProperty("fault");
  return values;
}

describe("INT4 zero points", () => {
  const [rows, cols, group] = [37, 128, 32];
  // The whole words of 45 rows, of which the kernel decodes all; then any run of them.
  const whole = int4Rows(45, cols, group, 0);
  const all = decoded(whole);

  test("a run of rows has the values that it has in the whole matrix, wherever it begins and is cut", () => {
    for (let first = 0; first < 9; first++) {
      const run = sliceRows(whole, 45, first, rows - 1);
      expect(run.zeroPoints?.firstRow).toBe(first % 8);
      expect(decoded(run)).toEqual(all.subarray(first * cols, (first + rows - 1) * cols));
      for (const [from, count] of [
        [0, 1],
        [5, 8],
        [11, 25],
      ])
        expect(decoded(sliceRows(run, rows - 1, from, count))).toEqual(
          all.subarray((first + from) * cols, (first + from + count) * cols),
        );
    }
  });

  test("values are (code - zero point) scale, in doubles", () => {
    const { weight, scale, zeroPoints } = whole as Required<StoredRows>;
    const [groups, scaleBits] = [cols / group, new Uint16Array(scale.bytes.slice().buffer)];
    for (let i = 0; i < all.length; i++) {
      const [row, g] = [Math.floor(i / cols), Math.floor((i % cols) / group)];
      const word = new DataView(zeroPoints.bytes.buffer).getUint32(4 * ((row >> 3) * groups + g), true);
      const code = (weight[i >> 1] >> (4 * (i & 1))) & 15;
      const bits = Uint32Array.of(scaleBits[row * groups + g] << 16);
      const value = (code - ((word >>> (4 * (row & 7))) & 15)) * new Float32Array(bits.buffer)[0];
      if (all[i] !== value) expect([i, all[i]]).toEqual([i, value]);
    }
  });
});

test("a scale that is not finite is found in the rows given; one global scale is as bad as the next", () => {
  const int4 = int4Rows(8, 128, 32, 0);
  int4.scale?.bytes.set([0x80, 0x7f], 2 * (3 * 4 + 1));
  const into = new Float32Array(4 * 128);
  expect(decodeRows(kernels, sliceRows(int4, 8, 2, 4), into).fault).toEqual({ kind: "nan-scale", index: 5 });
  const nvfp4 = nvfp4Rows(4, 128);
  nvfp4.scale?.bytes.fill(0xff, 9, 10);
  expect(decodeRows(kernels, nvfp4, into).fault).toEqual({ kind: "nan-scale", index: 9 });
  for (const globalScale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(decodeRows(kernels, { ...nvfp4, globalScale }, into).fault?.kind).toBe("bad-global-scale");
});

test("global scales: ModelOpt's factor as it is, the divisor of compressed-tensors inverted in f32", () => {
  // At an odd place: a file promises no alignment.
  const bytesOf = (value: number) =>
    new Uint8Array([0, ...new Uint8Array(Float32Array.of(value).buffer)]).subarray(1);
  expect(globalFactor(bytesOf(0.1), false)).toBe(Math.fround(0.1));
  expect(globalFactor(bytesOf(2688), true)).toBe(Math.fround(1 / 2688));
  expect(globalFactor(bytesOf(2 ** 20), true)).toBe(2 ** -20);
  // No factor is made of these.
  for (const value of [0, 2 ** -149, Number.POSITIVE_INFINITY, Number.NaN, -4]) {
    const globalScale = globalFactor(bytesOf(value), true);
    expect(decodeRows(kernels, { ...nvfp4Rows(1, 16), globalScale }, new Float32Array(16)).fault?.kind).toBe(
      "bad-global-scale",
    );
  }
});

test("NVFP4 is called exact where every product of a code and its scales is an f32", () => {
  // All codes under all scales that are numbers.
  const scales = Uint8Array.from({ length: 256 }, (_, code) => code).filter((code) => (code & 127) !== 127);
  const weight = Uint8Array.from({ length: 8 * scales.length }, (_, i) => 0x10 + 0x22 * (i % 8));
  const scale = { kind: "e4m3", bytes: scales, blockRows: 1, blockCols: 16, firstRow: 0 } as const;
  const values = new Float32Array(2 * weight.length);
  for (const [factor, expected] of [
    [1, true],
    [2 ** -20, true],
    [2 ** -139, true],
    [2 ** -140, false],
    [Math.fround(0.1), false],
  ] as const) {
    const rows = { format: "nvfp4_groups", cols: 16, weight, scale, globalScale: factor } as const;
    const { exact } = decodeRows(kernels, rows, values);
    const equal = values.every((value, i) => value === E2M1[i % 16] * E4M3[scales[i >> 4]] * factor);
    expect([factor, exact, equal]).toEqual([factor, expected, expected]);
  }
});

test("products on rows that must be decoded first: every tile, any range, as on the values", () => {
  // 2.5 tiles of 2^20 values.
  const [out, cols, count] = [640, 4096, 3];
  const x = Float32Array.from({ length: count * cols }, () => random() - 0.5);
  for (const stored of [nvfp4Rows(out, cols), int4Rows(out, cols, 128, 0)]) {
    const values = decoded(stored);
    const linear = storedLinear(kernels, { entry: {} as CensusEntry, stored, firstRow: 0, out });
    expect(linear).toMatchObject({ out, in: cols });
    expect(linear.byteLength).toBeLessThan(0.6 * out * cols);
    for (const rows of [
      { first: 0, count: out },
      { first: 13, count: 300 },
      { first: 250, count: 270 },
      { first: out - 1, count: 1 },
    ]) {
      const bytes = new Uint8Array(values.buffer, 4 * rows.first * cols, 4 * rows.count * cols);
      const expected = new Float32Array(count * rows.count);
      const weights = { format: "f32", bytes } as const;
      kernels.gemm({ x, rows: count, cols, weights, out: expected, outRows: rows.count });
      expect(
        Buffer.compare(Buffer.from(linear.apply(x, count, rows).buffer), Buffer.from(expected.buffer)),
      ).toBe(0);
    }
  }
});
