import { describe, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { createNormal } from "./kernel-inputs.ts";

const { available } = chooseKernels("scalar");
const normals = (length: number, seed: number) => Float32Array.from({ length }, createNormal(seed));
const bits = (values: Float64Array) => new BigInt64Array(values.slice().buffer);

/** What the contract says, without a kernel: columns one after the other, so that no order of loops is shared. */
function expectedSums(src: Float32Array, from: Float64Array): Float64Array {
  return from.map((start, c) => {
    let sum = start;
    for (let i = c; i < src.length; i += from.length) sum += src[i] ** 2;
    return sum;
  });
}

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s", (_, kernels) => {
  test.each([
    [0, 5],
    [1, 1],
    [3, 7],
    [4, 8],
    [5, 16],
    [6, 33],
    [11, 515],
  ])("column energies of %i rows of %i, added to what is there, bit for bit", (rows, cols) => {
    // Magnitudes far apart, so that every other order of additions and every contraction would show.
    const src = normals(rows * cols, 1).map((value, i) => value * 2 ** (((i * 7) % 40) - 20));
    const start = Float64Array.from({ length: cols }, (_, c) => c / 3);
    const sums = start.slice();
    kernels.columnEnergy(src, sums);
    expect(bits(sums)).toEqual(bits(expectedSums(src, start)));
  });

  test("any cut into row ranges gives the same sums", () => {
    const [rows, cols] = [23, 37];
    const src = normals(rows * cols, 2);
    const whole = new Float64Array(cols);
    kernels.columnEnergy(src, whole);
    for (const step of [1, 2, 3, 4, 5, 9, 22]) {
      const sums = new Float64Array(cols);
      for (let row = 0; row < rows; row += step)
        kernels.columnEnergy(src.subarray(row * cols, Math.min(row + step, rows) * cols), sums);
      expect(bits(sums)).toEqual(bits(whole));
    }
  });

  test("the largest and the smallest floats have squares; NaN and infinity stay in their column", () => {
    const sums = new Float64Array(4);
    const src = Float32Array.of(3e38, 1e-45, Number.NaN, Number.NEGATIVE_INFINITY, 3e38, 1e-45, 1, 1);
    kernels.columnEnergy(src, sums);
    expect(sums).toEqual(Float64Array.of(2 * src[0] ** 2, 2 * src[1] ** 2, Number.NaN, Infinity));
    expect(sums[1]).toBeGreaterThan(0);
  });

  test("refuses values that are not whole rows, and other arrays", () => {
    const energy = kernels.columnEnergy as (src: unknown, sums: unknown) => void;
    expect(() => energy(new Float32Array(7), new Float64Array(3))).toThrow(RangeError);
    expect(() => energy(new Float32Array(2), new Float64Array(3))).toThrow(RangeError);
    expect(() => energy(new Float32Array(1), new Float64Array(0))).toThrow(RangeError);
    expect(() => energy(new Float32Array(0), new Float64Array(0))).not.toThrow();
    if (kernels.set === "scalar") return;
    expect(() => energy(new Float32Array(3), new Float32Array(3))).toThrow("sums must be a Float64Array");
    expect(() => energy(new Float64Array(3), new Float64Array(3))).toThrow("src must be a Float32Array");
  });

  test("takes views on shared memory", () => {
    const shared = new SharedArrayBuffer(8 * 6 + 4 * 24);
    const src = new Float32Array(shared, 48, 24).fill(0.5);
    const sums = new Float64Array(shared, 0, 6);
    kernels.columnEnergy(src, sums);
    expect(sums).toEqual(new Float64Array(6).fill(1));
  });
});
