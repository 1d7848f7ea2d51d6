import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { adversarialInputs, createRandom, type KernelInput, plausibleInputs } from "./kernel-inputs.ts";
import {
  decodeInt4,
  decodeMlxAffine,
  decodeNvfp4,
  encodeF8,
  encodeInt4,
  encodeMlxAffine,
  encodeNvfp4,
  expectSame,
  f8ToBf16,
  fp4ToBf16,
  type Int4Shape,
  type MlxShape,
  type Outcome,
  packedFp4,
  toF8,
  toNvfp4,
} from "./safetensors-runs.ts";

/** Every kernel set gives the bytes of the scalar twin, also here. */
const { available } = chooseKernels("scalar");
const [scalar, ...compiled] = available;
const full = Boolean(process.env.V4KIT_FULL);
const weights = full ? 10_000_000 : 60_000;

function compare(name: string, run: (kernels: Kernels) => Outcome): Outcome {
  const twin = run(scalar);
  for (const kernels of compiled) expectSame(run(kernels), twin, `${kernels.set}, ${name}`);
  return twin;
}

const asOutcome = (values: Float32Array): Outcome => ({ position: -1, arrays: [values] });

const SHAPES: readonly Omit<Int4Shape, "rowLength">[] = ([32, 64, 128] as const).flatMap((group) =>
  (["bf16", "f16"] as const).flatMap((scaleFormat) =>
    [false, true].map((asymmetric) => ({ group, scaleFormat, asymmetric })),
  ),
);

const MLX_SHAPES: readonly Omit<MlxShape, "rowLength">[] = ([32, 64, 128] as const).flatMap((group) =>
  ([4, 8] as const).map((bits) => ({ group, bits })),
);

/** max|x| / 2688, the usual weight_scale_2, kept normal: a subnormal one would be rounded too coarsely. */
function scale2Of(values: Float32Array): number {
  const peak = values.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  return peak === 0 ? 1 : Math.max(2 ** -126, Math.fround(peak / 2688));
}

function compareAll({ name, values, rowLength, importance }: KernelInput): void {
  const scale2 = scale2Of(values);
  const groups = compare(`nvfp4, ${name}`, (k) => encodeNvfp4(k, values, scale2, rowLength, importance));
  expect(groups.position).toBe(-1);
  compare(`nvfp4 decoded, ${name}`, (k) => asOutcome(decodeNvfp4(k, groups, scale2)));
  for (const [blockRows, blockCols] of [
    [128, 128],
    [3, 50],
    [1, 32],
  ])
    for (const kind of ["e8m0", "f32"] as const)
      compare(`F8 ${blockRows} x ${blockCols} ${kind}, ${name}`, (k) =>
        encodeF8(k, values, { cols: rowLength, blockRows, blockCols }, kind),
      );
}

function compareInt4({ name, values, rowLength, importance }: KernelInput): void {
  for (const shape of SHAPES) {
    const label = `int4 ${Object.values(shape).join(" ")}, ${name}`;
    const twin = compare(label, (k) => encodeInt4(k, values, { ...shape, rowLength }, importance));
    expect(twin.position).toBe(-1);
    const { matrix } = twin as ReturnType<typeof encodeInt4>;
    compare(`${label}, decoded`, (k) => asOutcome(decodeInt4(k, matrix)));
  }
}

function compareMlx({ name, values, rowLength, importance }: KernelInput): void {
  for (const shape of MLX_SHAPES) {
    const label = `MLX ${Object.values(shape).join(" ")}, ${name}`;
    const twin = compare(label, (k) => encodeMlxAffine(k, values, { ...shape, rowLength }, importance));
    expect(twin.position).toBe(-1);
    const { matrix } = twin as ReturnType<typeof encodeMlxAffine>;
    compare(`${label}, decoded`, (k) => asOutcome(decodeMlxAffine(k, matrix)));
  }
}

test("compiled kernels are here to be compared", () => {
  expect(compiled.map(({ set }) => set)).toContain("plain");
});

describe("from f32", () => {
  test(`on ${weights} weights`, { timeout: 3_600_000 }, () => {
    for (const input of plausibleInputs(weights, 1024)) compareAll(input);
    for (const input of plausibleInputs(full ? weights / 12 : 6144, 1024)) {
      compareInt4(input);
      compareMlx(input);
    }
  });

  test("on adversarial rows", { timeout: 600_000 }, () => {
    for (const input of adversarialInputs()) {
      compareAll(input);
      compareInt4(input);
      compareMlx(input);
    }
  });

  test("on generated rows", { timeout: 600_000 }, () => {
    const value = fc.oneof(
      fc.float({ min: -65504, max: 65504, noNaN: true }),
      fc.float({ min: -1, max: 1, noNaN: true }),
      fc.constantFrom(0, -0, 1, -1, 0.5, 448, 449, 2 ** -24, 2 ** -26, 2 ** -126, 2 ** -149, 65504),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 256, maxLength: 256, size: "max" }), (list) => {
        const input = { name: "generated", rows: 2, rowLength: 128, values: Float32Array.from(list) };
        compareAll(input);
        compareInt4(input);
        compareMlx(input);
      }),
      { numRuns: full ? 400 : 15, seed: 42 },
    );
  });

  test("a batch's tail and a view's offset change nothing", () => {
    const random = createRandom(3);
    for (const rows of [1, 3, 9, 17]) {
      const values = new Float32Array(new SharedArrayBuffer(4 * (rows * 160 + 5)), 20);
      for (let i = 0; i < values.length; i++) values[i] = random() - 0.5;
      compareAll({ name: `${rows} rows`, rows, rowLength: 160, values });
      const shape = { group: 32, scaleFormat: "bf16", asymmetric: true, rowLength: 160 } as const;
      compare(`int4, ${rows} rows`, (k) => encodeInt4(k, values, shape));
      for (const bits of [4, 8] as const)
        compare(`MLX, ${rows} rows`, (k) => encodeMlxAffine(k, values, { group: 32, bits, rowLength: 160 }));
    }
  });

  test("every set names the first value that is not finite, or too large", () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30])
      for (const position of [0, 100, 1027, 4095]) {
        const values = new Float32Array(4096).fill(0.5);
        values[position] = wrong;
        values[4095] = wrong;
        for (const kernels of available) {
          expect(encodeNvfp4(kernels, values, 1, 1024).position).toBe(position);
          for (const shape of SHAPES)
            expect(encodeInt4(kernels, values, { ...shape, rowLength: 1024 }).position).toBe(position);
          for (const shape of MLX_SHAPES)
            expect(encodeMlxAffine(kernels, values, { ...shape, rowLength: 1024 }).position).toBe(position);
          const f8 = encodeF8(kernels, values, { cols: 1024, blockRows: 2, blockCols: 128 });
          expect(f8.position).toBe(wrong === 1e30 ? -1 : position);
        }
      }
  });
});

describe("from packed FP4", () => {
  const random = createRandom(11);
  const sources = {
    narrow: packedFp4(256, 256, () => 110 + random() * 12),
    wide: packedFp4(256, 256, () => 90 + random() * 40),
    "whole range": packedFp4(64, 512, () => random() * 255),
    extremes: packedFp4(64, 512, (g) => [0, 1, 254, 127, 5, 6, 7][g % 7]),
    lowest: packedFp4(32, 128, (g) => g % 7),
    "groups of 16": packedFp4(16, 96, () => 100 + random() * 30, 16),
    "one group a row": packedFp4(7, 160, () => 100 + random() * 30, 160),
    large: packedFp4(Math.ceil(weights / 4096), 4096, () => 100 + random() * 25),
  };
  // Groups, half groups and single codes of zero, with scales that must not count.
  const sparse = packedFp4(64, 512, () => random() * 255);
  sparse.codes.forEach((_, i) => {
    if ((i >> 3) % 3) sparse.codes[i] = i % 5 ? 0 : 0x88;
  });

  test.each(Object.entries({ ...sources, sparse }))("%s", { timeout: 600_000 }, (name, fp4) => {
    for (const exponent of [-149, -126, -40, -12, -8, 0, 119, 127])
      compare(`${name} to nvfp4, ${exponent}`, (k) => toNvfp4(k, fp4, exponent));
    const spans = available.map((kernels) => {
      const span = Uint8Array.of(255, 0);
      expect(kernels.scanFp4(fp4.codes, fp4.scales, span)).toBe(-1);
      return [...span];
    });
    for (const span of spans) expect(span).toEqual(spans[0]);
    compare(`${name} to bf16`, (k) => fp4ToBf16(k, fp4));
    for (const [blockRows, blockCols] of [
      [128, 128],
      [64, 32],
      [5, 48],
      [3, 7],
      [1, 1000],
    ])
      for (const kind of ["e8m0", "f32"] as const)
        compare(`${name} to F8 ${blockRows} x ${blockCols}`, (k) =>
          toF8(k, fp4, { cols: fp4.cols, blockRows, blockCols }, kind),
        );
  });
});

test("FP8 to bf16: every code under every scale byte, and F32 scales", () => {
  const codes = Uint8Array.from({ length: 255 * 254 }, (_, i) => (i % 254) + Number(i % 254 > 126));
  const bytes = Uint8Array.from({ length: 255 }, (_, e) => e);
  const geometry = { cols: 254, blockRows: 1, blockCols: 254 };
  compare("every code and scale", (k) => f8ToBf16(k, codes, bytes, geometry));
  const random = createRandom(2);
  const floats = Float32Array.from({ length: 255 }, () => random() - 0.5);
  compare("F32 scales", (k) => f8ToBf16(k, codes, floats, geometry));
  const uneven = { cols: 127, blockRows: 4, blockCols: 50 };
  const more = Float32Array.from({ length: 390 }, random);
  compare("from row 3", (k) => f8ToBf16(k, codes, more, uneven, 3));
  codes[700] = 0x7f;
  expect(compare("a NaN", (k) => f8ToBf16(k, codes, bytes, geometry)).position).toBe(700);
  expect(compare("a NaN scale", (k) => f8ToBf16(k, codes, bytes.fill(255, 1, 2), geometry)).position).toBe(
    254,
  );
});
