import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { createNormal, plausibleInputs } from "./kernel-inputs.ts";
import { decodeMlxAffine, encodeMlxAffine, type MlxShape, mlxMatrix, widenBf16 } from "./safetensors-runs.ts";

const { available } = chooseKernels("scalar");

/** What MLX wrote and read; see make-vectors.py. */
interface Vectors {
  readonly weights: Readonly<Record<string, string>>;
  readonly affine: readonly {
    readonly distribution: string;
    readonly bits: 4 | 8;
    readonly group: 32 | 64 | 128;
    readonly packed: string;
    readonly scales: string;
    readonly biases: string;
    readonly values?: string;
  }[];
  readonly mxfp4: { readonly codes: string; readonly scales: string; readonly values: string };
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../vectors/mlx/vectors.json", import.meta.url), "utf8"),
);
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const floatsOf = (hex: string) => new Float32Array(bytesOf(hex).buffer);
const COLS = 128;

const theirs = ({ bits, group, packed, scales, biases }: Vectors["affine"][number]) => ({
  ...{ rowLength: COLS, bits, group },
  ...{ packed: bytesOf(packed), scales: bytesOf(scales), biases: bytesOf(biases) },
});

/** Squared error of every group; weights repeat by row. */
function groupErrors(y: Float32Array, x: Float32Array, group: number, weights?: Float32Array): Float64Array {
  const errors = new Float64Array(x.length / group);
  for (let i = 0; i < x.length; i++)
    errors[Math.floor(i / group)] += (weights?.[i % weights.length] ?? 1) * (y[i] - x[i]) ** 2;
  return errors;
}

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);

/** Codes from the group's minimum and maximum, with scale and bias rounded to bf16 before the codes are chosen. */
function minMax(kernels: Kernels, x: Float32Array, shape: MlxShape): Float32Array {
  const top = 2 ** shape.bits - 1;
  const bounds = Array.from({ length: x.length / shape.group }, (_, g) => {
    const values = x.subarray(g * shape.group, (g + 1) * shape.group);
    const low = Math.min(...values);
    return [(Math.max(...values) - low) / top, low];
  });
  const narrow = (column: number) => {
    const bytes = new Uint8Array(2 * bounds.length);
    const values = Float32Array.from(bounds, (pair) => pair[column]);
    kernels.encode("bf16", values, bytes, { rowLength: bounds.length });
    return widenBf16(bytes);
  };
  const [scales, biases] = [narrow(0), narrow(1)];
  return x.map((value, i) => {
    const g = Math.floor(i / shape.group);
    const code = scales[g] === 0 ? 0 : Math.round((value - biases[g]) / scales[g]);
    return Math.fround(scales[g] * Math.min(top, Math.max(0, code))) + biases[g];
  });
}

const SHAPES = ([4, 8] as const).flatMap((bits) =>
  ([32, 64, 128] as const).map((group) => ({ bits, group })),
);

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s", (_, kernels) => {
  test.each(vectors.affine.filter(({ values }) => values !== undefined))(
    "reads what MLX reads: $bits bits, groups of $group",
    (vector) => {
      expect(decodeMlxAffine(kernels, theirs(vector))).toEqual(floatsOf(vector.values as string));
    },
  );

  test("packed FP4 is MLX's mxfp4, byte for byte", () => {
    const values = floatsOf(vectors.mxfp4.values);
    const dst = new Float32Array(values.length);
    const [codes, scales] = [bytesOf(vectors.mxfp4.codes), bytesOf(vectors.mxfp4.scales)];
    expect(kernels.decodeFp4(codes, scales, dst)).toBe(-1);
    expect(dst.every((y, i) => y === values[i])).toBe(true);
  });

  test.each(vectors.affine)(
    "no group is worse than MLX's: $distribution, $bits bits, groups of $group",
    (vector) => {
      const { distribution, bits, group } = vector;
      const x = widenBf16(bytesOf(vectors.weights[distribution]));
      const bound = groupErrors(decodeMlxAffine(kernels, theirs(vector)), x, group);
      // The vector is a quantization at all: a wrong layout would have an error like the weights themselves.
      expect(sum(bound)).toBeLessThan(0.05 * sum(groupErrors(new Float32Array(x.length), x, group)));
      const { matrix } = encodeMlxAffine(kernels, x, { rowLength: COLS, bits, group });
      const ours = groupErrors(decodeMlxAffine(kernels, matrix), x, group);
      expect(ours.findIndex((error, g) => error > bound[g] * (1 + 1e-5))).toBe(-1);
      expect(sum(ours)).toBeLessThan((bits === 8 ? 0.75 : 0.98) * sum(bound));
      if (distribution === "fp4" && bits === 8) expect(sum(ours)).toBe(0);
    },
  );

  test("no group is worse than min and max, and importance moves error away from itself", () => {
    for (const { name, values, rowLength, importance } of plausibleInputs(6 * 16_384))
      for (const { bits, group } of SHAPES) {
        const shape = { rowLength, bits, group };
        const ours = decodeMlxAffine(kernels, encodeMlxAffine(kernels, values, shape, importance).matrix);
        const error = groupErrors(ours, values, group, importance);
        const bound = groupErrors(minMax(kernels, values, shape), values, group, importance);
        const worse = error.findIndex((e, g) => e > bound[g] * (1 + 1e-4) + 1e-12 * sum(bound));
        expect(`${name}, ${bits} bits: ${worse}`).toBe(`${name}, ${bits} bits: -1`);
        if (!importance) continue;
        const plain = decodeMlxAffine(kernels, encodeMlxAffine(kernels, values, shape).matrix);
        const gain = sum(error) / sum(groupErrors(plain, values, group, importance));
        expect(gain).toBeLessThan(name.startsWith("heavy") && bits === 4 && group === 32 ? 0.55 : 1);
      }
  });

  test.each(SHAPES)("constants, zeros, one sign, far from 0: $bits bits, groups of $group", (shape) => {
    const normal = createNormal(5);
    const kinds: Record<string, [value: (i: number) => number, relative: number]> = {
      zeros: [() => 0, 0],
      "negative zeros": [() => -0, 0],
      tiny: [() => normal() * 2 ** -95, shape.bits === 8 ? 0.02 : 0.2],
      "a bf16 constant": [() => -0.375, 0],
      "another constant": [() => Math.fround(0.3712345), 2 ** -16],
      "a negative constant": [() => Math.fround(-1.99999), 2 ** -16],
      negative: [() => -Math.abs(normal()) - 0.1, shape.bits === 8 ? 0.01 : 0.1],
      "far from 0": [() => 1000 + normal(), shape.bits === 8 ? 1e-4 : 1e-3],
      "far below 0": [() => -1000 + normal(), shape.bits === 8 ? 1e-4 : 1e-3],
      huge: [() => normal() * 2 ** 57, shape.bits === 8 ? 0.02 : 0.2],
      "two values": [(i) => (i % 3 ? 2 ** -90 : -(2 ** -90)), 2 ** -7],
    };
    for (const [name, [value, relative]] of Object.entries(kinds)) {
      const x = Float32Array.from({ length: 4 * 256 }, (__, i) => value(i));
      const { matrix } = encodeMlxAffine(kernels, x, { ...shape, rowLength: 256 });
      const y = decodeMlxAffine(kernels, matrix);
      const peak = x.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      const off = y.findIndex((v, i) => !(Math.abs(v - x[i]) <= relative * peak));
      expect(`${name}: ${off}`).toBe(`${name}: -1`);
    }
  });

  test("zeros and less than 2^-100 have scale 1, bias 0 and codes 0; scales and biases that are not finite are named", () => {
    for (const shape of SHAPES) {
      const { matrix } = encodeMlxAffine(kernels, new Float32Array(512).fill(-0), {
        ...shape,
        rowLength: 256,
      });
      expect(matrix.packed.every((byte) => byte === 0)).toBe(true);
      expect([...widenBf16(matrix.scales)].every((scale) => scale === 1)).toBe(true);
      expect(matrix.biases.every((byte) => byte === 0)).toBe(true);
      for (const bytes of ["scales", "biases"] as const) {
        const wrong = mlxMatrix(512, { ...shape, rowLength: 256 });
        wrong[bytes].set([0x80, 0x7f], 6);
        expect(kernels.decodeMlxAffine(wrong, new Float32Array(512))).toBe(3);
      }
    }
  });
});
