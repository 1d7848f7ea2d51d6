import { expect, test } from "vitest";
import { chooseKernels } from "../../../kernels/load.ts";
import { roundingOf } from "../../../tools/reference/rounding.ts";

const { kernels } = chooseKernels();
const [fp32, qat, official] = (["fp32", "qat", "official"] as const).map((n) => roundingOf(n, kernels));

// Rows and results of the model specification (3.0 and 6.3), and what a group of another size would do to them.
test("cached rows: FQ8 in groups of 64, without the rotated dimensions", () => {
  const cubes = Float32Array.from({ length: 64 }, (_, k) => (-3 + (6 * k) / 63) ** 3);
  // One large value makes the whole group coarse: 0.003 becomes two steps of 2^-9, and so at the group's other end.
  const coarse = new Float32Array(64).fill(0.003, 0, 63).fill(448, 63);
  const rotated = new Float32Array(64).fill(1 / 3);
  for (const { cachedRow } of [qat, official]) {
    const row = Float32Array.from([...cubes, ...coarse, ...rotated]);
    cachedRow(row, 64);
    expect([...row.subarray(0, 4)]).toEqual([-28, -24, -22, -20]);
    expect([...row.subarray(64, 128)]).toEqual([...new Array(63).fill(2 ** -8), 448]);
    expect(row.subarray(128)).toEqual(rotated);
  }
});

test("indexer rows: Hadamard, then FQ4 in groups of 32", () => {
  const values = Float32Array.from({ length: 64 }, (_, k) => (k < 32 ? k / 5 - 2.85 : 24));
  for (const { indexRow } of [qat, official]) {
    const row = values.slice();
    kernels.hadamard(row, 64);
    indexRow(row);
    expect([...row.subarray(0, 8)]).toEqual([-3, -3, -2, -2, -2, -2, -1.5, -1.5]);
    expect([...row.subarray(32)]).toEqual(new Array(32).fill(24));
  }
});

test("activations: a copy, in groups of 128 that end with a row", () => {
  const x = new Float32Array(256).fill(0.003);
  x[127] = 448;
  const rounded = official.activation(x, 128);
  expect([...rounded.subarray(0, 128)]).toEqual([...new Array(127).fill(2 ** -8), 448]);
  for (const value of rounded.subarray(128)) expect(Math.abs(value - 0.003)).toBeLessThan(0.003 / 16);
  expect(x[0]).toBe(Math.fround(0.003));
  expect(() => official.activation(x, 64)).toThrow("a multiple of 128 inputs, found 64");
  expect(() => official.activation(new Float32Array(128).fill(Number.NaN), 128)).toThrow("not finite");
});

test("BF16 to even in official numerics alone; fp32 rounds nothing", () => {
  const x = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 / 3);
  expect([...official.bf16(x.slice())]).toEqual([1, 1 + 2 ** -6, 0.333984375]);
  for (const { bf16, activation } of [fp32, qat]) {
    expect(bf16(x.slice())).toEqual(x);
    expect(activation(x, 3)).toEqual(x);
  }
  const row = Float32Array.from({ length: 128 }, (_, k) => Math.sin(k));
  const kept = row.slice();
  fp32.cachedRow(row, 64);
  fp32.indexRow(row);
  expect(row).toEqual(kept);
});
