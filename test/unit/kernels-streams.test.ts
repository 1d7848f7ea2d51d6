import { describe, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { createNormal } from "./kernel-inputs.ts";

const { available } = chooseKernels("scalar");
const [scalar] = available;
const normals = (length: number, seed: number) => Float32Array.from({ length }, createNormal(seed));
const bits = (values: Float32Array) => new Int32Array(values.slice().buffer);

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s", (_, kernels) => {
  test.each([
    [1, 4, 8],
    [3, 4, 256],
    [33, 4, 77],
    [5, 1, 19],
    [2, 16, 40],
  ])("streams of %i tokens, %i streams of %i: the bits of the twin, and the formula", (tokens, n, hidden) => {
    const streams = normals(tokens * n * hidden, 1);
    const pre = normals(tokens * n, 2);
    const post = normals(tokens * n, 3);
    const mix = normals(tokens * n * n, 4);
    const y = normals(tokens * hidden, 5);
    const [x, twin] = [new Float32Array(tokens * hidden), new Float32Array(tokens * hidden)];
    kernels.streamsIn(streams, n, pre, x);
    scalar.streamsIn(streams, n, pre, twin);
    expect(bits(x)).toEqual(bits(twin));
    const [t, k] = [tokens - 1, hidden - 1];
    let sum = 0;
    for (let i = 0; i < n; i++) sum += pre[t * n + i] * streams[(t * n + i) * hidden + k];
    expect(x[t * hidden + k]).toBeCloseTo(sum, 4);

    const [mixed, mixedTwin] = [streams.slice(), streams.slice()];
    kernels.streamsOut(mixed, y, post, mix);
    scalar.streamsOut(mixedTwin, y, post, mix);
    expect(bits(mixed)).toEqual(bits(mixedTwin));
    const j = n - 1;
    let out = post[t * n + j] * y[t * hidden + k];
    // The sum runs over the first index of the mixing.
    for (let i = 0; i < n; i++) out += mix[(t * n + i) * n + j] * streams[(t * n + i) * hidden + k];
    expect(mixed[(t * n + j) * hidden + k]).toBeCloseTo(out, 4);
  });

  test("streams that do not fit are refused", () => {
    const f = (length: number) => new Float32Array(length);
    expect(() => kernels.streamsIn(f(80), 4, f(8), f(20))).not.toThrow();
    expect(() => kernels.streamsIn(f(80), 4, f(8), f(21))).toThrow(RangeError);
    expect(() => kernels.streamsIn(f(80), 4, f(12), f(20))).toThrow(RangeError);
    expect(() => kernels.streamsIn(f(17 * 4), 17, f(17), f(4))).toThrow(RangeError);
    expect(() => kernels.streamsOut(f(80), f(20), f(8), f(32))).not.toThrow();
    expect(() => kernels.streamsOut(f(80), f(20), f(8), f(31))).toThrow(RangeError);
    expect(() => kernels.streamsOut(f(80), f(19), f(8), f(32))).toThrow(RangeError);
  });

  test.each([0, 1, 7, 8, 9, 1000, 4099])("comparing %i values gives the sums of the twin", (length) => {
    const x = normals(length, 6);
    const y = x.map((value, i) => (i % 3 === 0 ? value : value + 0.01 * (i % 5)));
    const found = kernels.compare(x, y);
    expect(found).toEqual(scalar.compare(x, y));
    expect(found.unequal).toBe(x.reduce((count, value, i) => count + (value === y[i] ? 0 : 1), 0));
    const error = x.reduce((sum, value, i) => sum + (y[i] - value) ** 2, 0);
    expect(found.squaredError).toBeCloseTo(error, 6);
  });

  test("a NaN shows in the largest difference and counts as unequal", () => {
    const x = normals(50, 7);
    for (const at of [0, 13, 49]) {
      const y = x.slice();
      y[at] = Number.NaN;
      const { unequal, maxDifference, squaredError } = kernels.compare(x, y);
      expect([unequal, maxDifference, squaredError]).toEqual([1, Number.NaN, Number.NaN]);
    }
    expect(() => kernels.compare(x, x.subarray(1))).toThrow(RangeError);
  });
});
