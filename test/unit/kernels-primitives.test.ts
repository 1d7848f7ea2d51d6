import { describe, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { E4M3 } from "../../kernels/scalar/fp8.ts";
import { createNormal, createRandom } from "./kernel-inputs.ts";

const { available } = chooseKernels("scalar");
const scalar = available[0];

const normals = (length: number, seed: number) => Float32Array.from({ length }, createNormal(seed));
const bits = (values: Float32Array) => Array.from(new Int32Array(values.slice().buffer));
const EPSILON = 2 ** -24;

/** Largest |out - expected| / |expected|, of a float64 function of the position. */
const worstRelative = (out: Float32Array, expected: (i: number) => number) =>
  out.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected(i)) / Math.abs(expected(i))), 0);

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s", (_, kernels) => {
  test.each([1, 7, 8, 33, 128, 512, 4099])("rmsNorm of rows of %i", (cols) => {
    const x = normals(3 * cols, 1);
    const weight = normals(cols, 2).map((value) => value + 4);
    const mean = (row: number) =>
      x.subarray(row * cols, (row + 1) * cols).reduce((sum, value) => sum + value * value, 0) / cols;
    const expected = [0, 1, 2].map((row) => 1 / Math.sqrt(mean(row) + 1e-3));
    const bound = (cols / 2 + 5) * EPSILON; // the sum under the root, then four operations
    const out = new Float32Array(x.length);
    kernels.rmsNorm(x, cols, 1e-3, null, out);
    expect(worstRelative(out, (i) => x[i] * expected[Math.floor(i / cols)])).toBeLessThan(bound);
    const inPlace = x.slice();
    kernels.rmsNorm(inPlace, cols, 1e-3, weight, inPlace);
    expect(
      worstRelative(inPlace, (i) => x[i] * expected[Math.floor(i / cols)] * weight[i % cols]),
    ).toBeLessThan(bound);
    expect(() => kernels.rmsNorm(x, cols, 1e-6, null, out.subarray(1))).toThrow(RangeError);
    expect(() => kernels.rmsNorm(x, cols, 1e-6, new Float32Array(cols + 1), out)).toThrow(RangeError);
    expect(() => kernels.rmsNorm(x, x.length + 1, 1e-6, null, out)).toThrow(RangeError);
  });

  test("rmsNorm of zeros is zero, not NaN", () => {
    const x = new Float32Array(64);
    kernels.rmsNorm(x, 64, 1e-6, null, x);
    expect(x.every((value) => value === 0)).toBe(true);
  });

  test.each([
    [1, null],
    [17, [0.5, -3, 40]],
    [640, [-1000, 0, 2]],
  ] as const)("softmax of rows of %i with sinks %o", (cols, sinks) => {
    const x = normals(3 * cols, 3).map((value, i) => value * 6 + (i % 5 === 0 ? 60 : 0));
    const out = x.slice();
    kernels.softmax(out, cols, sinks && Float32Array.from(sinks));
    const expected = Array.from(x, (value, i) => {
      const row = Math.floor(i / cols);
      const values = [...x.subarray(row * cols, (row + 1) * cols), ...(sinks ? [sinks[row]] : [])];
      const peak = Math.max(...values);
      return Math.exp(value - peak) / values.reduce((sum, other) => sum + Math.exp(other - peak), 0);
    });
    // exp of a rounded difference of up to 200 is off by 200 half-units; small terms may be off more, absolutely nothing
    out.forEach((value, i) => {
      expect(Math.abs(value - expected[i])).toBeLessThan(expected[i] * (cols + 210) * EPSILON + 1e-38);
    });
    expect(() => kernels.softmax(out, cols, new Float32Array(2))).toThrow(RangeError);
    expect(() => kernels.softmax(out, out.length + 1, null)).toThrow(RangeError);
  });

  test("swiglu clamps the gate from above only and the other side from both", () => {
    const gate = Float32Array.of(12, -50, -3, 0, 1, 10, -200, 3);
    const up = Float32Array.of(20, -20, 5, 1, -30, 2, 1, -4);
    const weights = Float32Array.of(0.25, 2);
    const expected = (weight: boolean) => (i: number) => {
      const g = Math.min(gate[i], 10);
      const u = Math.max(-10, Math.min(10, up[i]));
      return ((weight ? weights[Math.floor(i / 4)] : 1) * g * u) / (1 + Math.exp(-g));
    };
    const out = new Float32Array(8);
    for (const weighted of [false, true]) {
      kernels.swiglu(gate, up, 4, 10, weighted ? weights : null, out);
      out.forEach((value, i) => {
        const right = expected(weighted)(i);
        expect(Math.abs(value - right)).toBeLessThanOrEqual(Math.abs(right) * 8 * EPSILON + 1e-37);
      });
    }
    const both = normals(999 * 2, 5);
    const copy = both.slice();
    kernels.swiglu(both.subarray(0, 999), both.subarray(999), 999, 10, null, both.subarray(0, 999));
    expect(
      worstRelative(both.subarray(0, 999), (i) => (copy[i] * copy[999 + i]) / (1 + Math.exp(-copy[i]))),
    ).toBeLessThan(8 * EPSILON);
    expect(() => kernels.swiglu(gate, up.subarray(1), 4, 10, null, out)).toThrow(RangeError);
    expect(() => kernels.swiglu(gate, up, 3, 10, null, out)).toThrow(RangeError);
    expect(() => kernels.swiglu(gate, up, 4, 10, new Float32Array(3), out)).toThrow(RangeError);
  });

  test.each([1, 2, 16, 128])("hadamard of rows of %i: signs by the parity of shared index bits", (cols) => {
    const x = normals(2 * cols, 6);
    const y = x.slice();
    kernels.hadamard(y, cols);
    const parity = (n: number): number => (n === 0 ? 0 : (n & 1) ^ parity(n >> 1));
    y.forEach((value, i) => {
      let sum = 0;
      const [row, column] = [Math.floor(i / cols), i % cols];
      for (let j = 0; j < cols; j++) sum += (parity(column & j) ? -1 : 1) * x[row * cols + j];
      expect(Math.abs(value - sum / Math.sqrt(cols))).toBeLessThan(40 * EPSILON * Math.sqrt(cols));
    });
    const twin = x.slice();
    scalar.hadamard(twin, cols);
    expect(bits(y)).toEqual(bits(twin));
    expect(() => kernels.hadamard(new Float32Array(96), 96)).toThrow(RangeError);
    expect(() => kernels.hadamard(new Float32Array(130), 128)).toThrow(RangeError);
  });

  test("topK: by value, ties by index, infinities and NaN in their place", () => {
    const take = (values: readonly number[], k: number) => {
      const indices = new Int32Array(k);
      kernels.topK(Float32Array.from(values), indices);
      return Array.from(indices);
    };
    expect(take([1, 3, 2, 3, 3], 2)).toEqual([1, 3]);
    expect(take([0, -0, 0, 0], 3)).toEqual([0, 1, 2]);
    expect(take([Number.NaN, Number.NEGATIVE_INFINITY, -5], 3)).toEqual([2, 0, 1]);
    expect(take([5], 1)).toEqual([0]);
    expect(take([5, 6], 0)).toEqual([]);
    const random = createRandom(4);
    for (const [length, levels] of [
      [257, 5],
      [1000, 40],
      [3000, 1e9],
    ]) {
      const values = Array.from({ length }, () => Math.fround(Math.floor(random() * levels) - levels / 2));
      const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a] || a - b);
      for (const k of [1, 6, 100, 256, length]) expect(take(values, k)).toEqual(order.slice(0, k));
    }
    expect(() => take([1], 2)).toThrow(RangeError);
  });

  test.each([
    [1, 1, 8, true],
    [2, 3, 24, false],
    [7, 130, 512, true],
    [64, 33, 40, true],
  ])("attention of %i heads over %i rows of %i", (heads, count, headDim, withSinks) => {
    const q = normals(heads * headDim, 7);
    const keys = normals((count + 9) * headDim, 8);
    const index = Int32Array.from({ length: count }, (_, j) => (j * 7) % (count + 9));
    const sinks = normals(heads, 9);
    const scale = Math.fround(headDim ** -0.5);
    const out = new Float32Array(q.length);
    const job = { q, headDim, keys, index, scale, out, ...(withSinks && { sinks }) };
    kernels.attend(job);
    for (let h = 0; h < heads; h++) {
      const score = Array.from(index, (row) => {
        let sum = 0;
        for (let d = 0; d < headDim; d++) sum += q[h * headDim + d] * keys[row * headDim + d];
        return sum * scale;
      });
      const all = withSinks ? [...score, sinks[h]] : score;
      const peak = Math.max(...all);
      const total = all.reduce((sum, s) => sum + Math.exp(s - peak), 0);
      for (let d = 0; d < headDim; d++) {
        let [sum, magnitude] = [0, 0];
        index.forEach((row, j) => {
          const term = (Math.exp(score[j] - peak) / total) * keys[row * headDim + d];
          sum += term;
          magnitude += Math.abs(term);
        });
        expect(Math.abs(out[h * headDim + d] - sum)).toBeLessThan(
          (headDim + 2 * count + 40) * EPSILON * magnitude,
        );
      }
      const one = new Float32Array(headDim); // a head alone: the same bits
      kernels.attend({
        ...job,
        q: q.subarray(h * headDim, (h + 1) * headDim),
        out: one,
        ...(withSinks && { sinks: sinks.subarray(h, h + 1) }),
      });
      expect(bits(one)).toEqual(bits(out.subarray(h * headDim, (h + 1) * headDim)));
    }
    const bad = (change: object) => expect(() => kernels.attend({ ...job, ...change })).toThrow(RangeError);
    bad({ index: Int32Array.of(0, count + 9) });
    bad({ index: Int32Array.of(-1) });
    bad({ sinks: new Float32Array(heads + 1) });
    bad({ out: out.subarray(1) });
    bad({ keys: keys.subarray(1) });
    bad({ headDim: headDim - 1 });
  });

  test("attention with a sink alone gives zero", () => {
    const out = new Float32Array(16).fill(1);
    const q = normals(16, 1);
    const job = { q, headDim: 16, keys: new Float32Array(0), index: new Int32Array(0), scale: 1, out };
    kernels.attend({ ...job, sinks: Float32Array.of(2) });
    expect(out.every((value) => value === 0)).toBe(true);
    expect(() => kernels.attend(job)).toThrow(RangeError);
  });

  test.each([
    [64, 128, 5],
    [3, 20, 4],
    [6, 40, 1],
  ])("indexer scores of %i heads of %i, %i keys", (heads, dim, count) => {
    const q = normals(heads * dim, 10);
    const keys = normals(count * dim, 11);
    const weights = normals(heads, 12);
    const out = new Float32Array(count);
    kernels.indexScores(q, weights, keys, dim, out);
    out.forEach((value, j) => {
      let [score, magnitude] = [0, 0];
      for (let h = 0; h < heads; h++) {
        let [dot, size] = [0, 0];
        for (let d = 0; d < dim; d++) {
          dot += q[h * dim + d] * keys[j * dim + d];
          size += Math.abs(q[h * dim + d] * keys[j * dim + d]);
        }
        score += weights[h] * Math.max(0, dot);
        magnitude += Math.abs(weights[h]) * size;
      }
      expect(Math.abs(value - score)).toBeLessThan((dim + heads) * EPSILON * magnitude);
    });
    expect(() => kernels.indexScores(q, weights.subarray(1), keys, dim, out)).toThrow(RangeError);
    expect(() => kernels.indexScores(q, weights, keys, dim, new Float32Array(count + 1))).toThrow(RangeError);
  });

  /** Rounds `values` under the scale that a group with the given peak has. */
  const rounded = (format: "roundF8" | "roundF4", peak: number, values: readonly number[]) => {
    const row = new Float32Array(32);
    row[31] = peak;
    row.set(values);
    expect(kernels[format](row, 32, 32, 32)).toBe(-1);
    return Array.from(row.subarray(0, values.length));
  };

  test("E4M3 rounding samples, ties to even", () => {
    // a peak of 448 has scale 1
    expect(rounded("roundF8", 448, [17, 19, 1.0625, 1.1875, 2 ** -10, -17, 448])).toEqual([
      16, 20, 1, 1.25, 0, -16, 448,
    ]);
    // 460 cannot meet scale 1: above 448 the scale is 2, and 460 / 2 = 230 rounds to 224
    expect(rounded("roundF8", 460, [460])).toEqual([448]);
    expect(rounded("roundF8", 448, [1.5 * 2 ** -9, 2.5 * 2 ** -9, 2 ** -10 * 1.01])).toEqual([
      2 ** -8,
      2 ** -8,
      2 ** -9,
    ]);
    const all = Array.from(E4M3.subarray(0, 127));
    for (let i = 0; i + 1 < all.length; i++) {
      const middle = (all[i] + all[i + 1]) / 2;
      const even = i % 2 === 0 ? all[i] : all[i + 1];
      const [below, tie, above] = rounded("roundF8", 448, [
        middle * (1 - 2 ** -20),
        middle,
        middle * (1 + 2 ** -20),
      ]);
      expect([below, tie, above]).toEqual([all[i], even, all[i + 1]]);
    }
  });

  test("E2M1 rounding: ties to the even code", () => {
    const ties = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5];
    const values = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    expect(rounded("roundF4", 6, ties)).toEqual([0, 1, 1, 2, 2, 4, 4]);
    expect(
      rounded(
        "roundF4",
        6,
        ties.map((tie) => -tie * (1 + 2 ** -20)),
      ),
    ).toEqual(values.slice(1).map((v) => -v));
    expect(
      rounded(
        "roundF4",
        6,
        ties.map((tie) => tie * (1 - 2 ** -20)),
      ),
    ).toEqual(values.slice(0, 7));
  });

  test("scales are the power of two that the spec's samples say", () => {
    /* The smallest step of a format shows its scale: 2^-9 of it survives, 2^-10 of it does not. */
    const scaleOf = (format: "roundF8" | "roundF4", step: number, peak: number) => {
      for (let e = -40; e < 40; e++) {
        const [value] = rounded(format, peak, [step * 2 ** e]);
        const [half] = rounded(format, peak, [(step * 2 ** e) / 2]);
        if (value === step * 2 ** e && half === 0) return 2 ** e;
      }
      return Number.NaN;
    };
    const f8 = (peak: number) => scaleOf("roundF8", 2 ** -9, Math.fround(peak));
    const f4 = (peak: number) => scaleOf("roundF4", 0.5, Math.fround(peak));
    expect([448, 448.00003, 224, 3.5, 1e-4, 1e-9].map(f8)).toEqual([1, 2, 0.5, 2 ** -7, 2 ** -22, 2 ** -22]);
    expect([6, 6.0000005, 0.75].map(f4)).toEqual([1, 2, 0.125]);
  });

  test("FQ8 and FQ4 rows of the spec; only the first columns of a row change", () => {
    const cube = Float32Array.from({ length: 64 }, (_, k) => (-3 + (6 * k) / 63) ** 3);
    const row = new Float32Array(2 * 96).fill(0.3);
    row.set(cube);
    expect(kernels.roundF8(row, 96, 64, 64)).toBe(-1);
    expect(Array.from(row.subarray(0, 4))).toEqual([-28, -24, -22, -20]);
    expect(Array.from(row.subarray(64, 96))).toEqual(Array(32).fill(Math.fround(0.3)));
    const line = Float32Array.from({ length: 32 }, (_, k) => k / 5 - 2.9);
    expect(kernels.roundF4(line, 32, 32, 32)).toBe(-1);
    expect(Array.from(line.subarray(0, 8))).toEqual([-3, -3, -2, -2, -2, -2, -1.5, -1.5]);
  });

  test("rounding equals the twin bit for bit, at every magnitude; a second time it changes nothing", () => {
    const random = createRandom(13);
    const values = normals(64 * 3000, 14).map(
      (value, i) => value * 2 ** (((i >> 6) % 250) - 130) * (random() < 0.02 ? 30 : 1),
    );
    values.fill(0, 128, 192);
    values[130] = -0;
    for (const format of ["roundF8", "roundF4"] as const)
      for (const group of [16, 32, 64]) {
        const ours = values.slice();
        const twin = values.slice();
        expect(kernels[format](ours, 64, 64, group)).toBe(-1);
        expect(scalar[format](twin, 64, 64, group)).toBe(-1);
        expect(Buffer.compare(Buffer.from(ours.buffer), Buffer.from(twin.buffer))).toBe(0);
        kernels[format](twin, 64, 64, group);
        expect(Buffer.compare(Buffer.from(ours.buffer), Buffer.from(twin.buffer))).toBe(0);
      }
  });

  test("rounding names a value that is not finite, and refuses wrong lengths", () => {
    for (const format of ["roundF8", "roundF4"] as const) {
      const x = new Float32Array(4 * 64).fill(1);
      x[100] = Number.NEGATIVE_INFINITY;
      expect(kernels[format](x, 64, 64, 32)).toBe(100);
      x[70] = Number.NaN;
      expect(kernels[format](x, 64, 64, 32)).toBe(70);
      for (const [stride, cols, group] of [
        [65, 64, 32],
        [64, 128, 32],
        [64, 48, 32],
        [64, 64, 8],
        [64, 64, 24],
        [64, 64, 0],
      ])
        expect(() => kernels[format](x, stride, cols, group)).toThrow(RangeError);
    }
  });

  test("bfloat16 rounding: ties to even, infinities kept, NaN kept", () => {
    const x = Float32Array.of(
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      1 + 2 ** -8 + 2 ** -20,
      -(1 + 2 ** -8),
      -0,
      3e38,
      1e-40,
    );
    kernels.roundBf16(x);
    expect(Array.from(x.subarray(0, 6))).toEqual([1, 1 + 2 ** -6, 1 + 2 ** -7, -1, -0, 226 * 2 ** 120]);
    expect(x[6]).toBe(2 ** -133); // the smallest subnormal
    const odd = Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 3.4e38);
    new Int32Array(odd.buffer)[2] = 0x7f800001;
    kernels.roundBf16(odd);
    expect(Array.from(odd.subarray(0, 3))).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
  });
});
