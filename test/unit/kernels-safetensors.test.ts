import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { EncodableFormat } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";
import { EMPTY_SPAN, nvfp4Exponent } from "../../kernels/safetensors.ts";
import { createNormal, createRandom } from "./kernel-inputs.ts";
import {
  decodeF8,
  decodeInt4,
  decodeNvfp4,
  encodeF8,
  encodeInt4,
  encodeNvfp4,
  f8ToBf16,
  fp4ToBf16,
  type PackedFp4,
  packedFp4,
  toF8,
  toNvfp4,
  widenBf16,
} from "./safetensors-runs.ts";

const { available } = chooseKernels("scalar");
const sets = available.map((kernels) => [kernels.set, kernels] as const);

interface Int4Vector {
  readonly group: 32 | 64 | 128;
  readonly dtype: "bfloat16" | "float16";
  readonly symmetric: boolean;
  readonly scales: string;
  readonly weight: string;
}

interface Vectors {
  readonly int4: readonly Int4Vector[];
  readonly int4Encoded: readonly (Pick<Int4Vector, "group" | "symmetric" | "scales"> & {
    readonly packed: string;
    readonly zeroPoints: string | null;
  })[];
  readonly nvfp4: { readonly weight: string; readonly scale2: number };
  readonly e4m3: { readonly values: string; readonly codes: string };
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL("../vectors/kernels/safetensors/vectors.json", import.meta.url), "utf8"),
);
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const floatsOf = (hex: string) => new Float32Array(bytesOf(hex).buffer);

/** The generator of the script that made the vectors. */
function takeBytes(seed: number): (length: number) => Uint8Array {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state >>> 16) & 255;
    });
}

const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
/** The value of an FP4 element, in doubles. */
function fp4Value({ codes, scales }: PackedFp4, i: number): number {
  const code = (codes[i >> 1] >> (4 * (i & 1))) & 15;
  const group = (2 * codes.length) / scales.length;
  return (code & 8 ? -1 : 1) * E2M1[code & 7] * 2 ** (scales[Math.floor(i / group)] - 127);
}

const squares = (a: ArrayLike<number>, b: ArrayLike<number>, weightOf = (_: number) => 1) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += weightOf(i) * (a[i] - b[i]) ** 2;
  return sum;
};

describe.each(sets)("%s", (_, kernels) => {
  test("FP4 to NVFP4: every code under every scale, with the exponent of its span", () => {
    for (let greatest = 0; greatest < 255; greatest++) {
      // A group of 32 per scale within 20 binades, all sixteen codes in each half.
      const scales = Uint8Array.from({ length: 21 }, (__, d) => Math.max(0, greatest - d));
      const codes = Uint8Array.from(
        { length: 16 * 21 },
        (__, i) => ((2 * i) & 15) | (((2 * i + 1) & 15) << 4),
      );
      for (const least of [Math.max(0, greatest - 17), Math.max(0, greatest - 20)]) {
        const used = greatest - least + 1;
        const fp4 = { codes: codes.slice(0, 16 * used), scales: scales.slice(0, used), rows: used, cols: 32 };
        const span = Uint8Array.from(EMPTY_SPAN);
        expect(kernels.scanFp4(fp4.codes, fp4.scales, span)).toBe(-1);
        expect([...span]).toEqual([least, greatest]);
        const exponent = nvfp4Exponent(span);
        const result = toNvfp4(kernels, fp4, exponent);
        const inexact = fp4.scales.filter((e) => e - 127 - exponent < -9).length;
        expect(inexact).toBe(Math.max(0, greatest - least - 17));
        expect([result.position, result.count]).toEqual([-1, 2 * inexact]);
        if (inexact === 0) expect(result.arrays[0]).toEqual(fp4.codes);
        const values = decodeNvfp4(kernels, result, 2 ** exponent);
        const exact = values.subarray(0, 32 * (used - inexact));
        expect(exact.every((y, i) => y === Math.fround(fp4Value(fp4, i)))).toBe(true);
      }
    }
  });

  test("NVFP4 groups out of range are counted when a value changes, and only then", () => {
    const random = createRandom(4);
    const fp4 = packedFp4(64, 64, () => 100 + random() * 40);
    // Codes that survive twice or half the scale: 1, 2, 4 either way.
    fp4.codes.forEach((__, i) => {
      if (i & 32) fp4.codes[i] = [0x22, 0x44, 0x0c, 0xa0][i & 3];
    });
    const exponent = -14;
    const result = toNvfp4(kernels, fp4, exponent);
    const values = decodeNvfp4(kernels, result, 2 ** exponent);
    const changed = Array.from({ length: 64 * 4 }, (__, g) =>
      Array.from({ length: 16 }, (___, i) => 16 * g + i).some((i) => values[i] !== fp4Value(fp4, i)),
    );
    expect(changed.filter(Boolean).length).toBe(result.count);
    const outside = [...fp4.scales].filter((e) => e - 127 - exponent < -9 || e - 127 - exponent > 8).length;
    expect(result.count).toBeGreaterThan(0);
    expect(result.count).toBeLessThan(2 * outside);
  });

  test("a span is merged over row ranges, ignores groups of zeros, and may be empty", () => {
    const scales = Uint8Array.of(3, 250, 120, 130);
    const codes = new Uint8Array(64).fill(0x80, 0, 32);
    codes[40] = 1;
    codes[63] = 0x90;
    const span = Uint8Array.from(EMPTY_SPAN);
    kernels.scanFp4(codes.subarray(0, 32), scales.subarray(0, 2), span);
    expect([...span]).toEqual([255, 0]);
    expect(nvfp4Exponent(span)).toBe(0);
    kernels.scanFp4(codes.subarray(48), scales.subarray(3), span);
    expect([...span]).toEqual([130, 130]);
    kernels.scanFp4(codes, scales, span);
    expect([...span]).toEqual([120, 130]);
    scales[2] = 255;
    expect(kernels.scanFp4(codes, scales, span)).toBe(2);
    expect(toNvfp4(kernels, { codes, scales, rows: 2, cols: 64 }, 0).position).toBe(2);
  });

  test("NVFP4 has no scale of 0 and no more error than the usual rule", () => {
    const normal = createNormal(8);
    const values = Float32Array.from({ length: 4096 }, (__, i) => normal() * 2 ** -((i >> 4) % 24));
    const scale2 = Math.fround(values.reduce((a, x) => Math.max(a, Math.abs(x)), 0) / 2688);
    const importance = Float32Array.from({ length: 256 }, () => normal() ** 2 + 1e-3);
    const e4m3 = (code: number) => (code < 8 ? code * 2 ** -9 : (8 + (code & 7)) * 2 ** ((code >> 3) - 10));
    const positive = Array.from({ length: 127 }, (__, code) => e4m3(code));
    const nearest = (table: readonly number[], x: number) =>
      table.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a));
    for (const weights of [undefined, importance]) {
      const result = encodeNvfp4(kernels, values, scale2, 256, weights);
      expect(result.arrays[1].every((scale) => scale > 0 && scale < 127)).toBe(true);
      const decoded = decodeNvfp4(kernels, result, scale2);
      for (let from = 0; from < values.length; from += 16) {
        const x = values.subarray(from, from + 16);
        const peak = Math.max(...x.map(Math.abs));
        const scale = nearest(positive, peak / 6 / scale2) * scale2;
        const usual = x.map((v) =>
          scale === 0 ? 0 : Math.sign(v) * scale * nearest(E2M1, Math.abs(v) / scale),
        );
        const weightOf = (i: number) => (weights ? weights[(from + i) % 256] : 1);
        const ours = squares(decoded.subarray(from, from + 16), x, weightOf);
        expect(ours).toBeLessThanOrEqual(squares(usual, x, weightOf) * (1 + 1e-4) + 1e-30);
      }
    }
  });

  test("FP4 to FP8: exact down to 14 binades below the greatest scale, every changed value counted", () => {
    for (let greatest = 0; greatest < 255; greatest += greatest < 24 ? 1 : 23)
      for (let distance = 0; distance <= Math.min(greatest, 22); distance++) {
        const scales = Uint8Array.of(greatest, greatest - distance);
        const codes = Uint8Array.from({ length: 32 }, (__, i) => ((2 * i) & 15) | (((2 * i + 1) & 15) << 4));
        const fp4 = { codes, scales, rows: 2, cols: 32 };
        const geometry = { cols: 32, blockRows: 2, blockCols: 32 };
        const byBytes = toF8(kernels, fp4, geometry);
        const byFloats = toF8(kernels, fp4, geometry, "f32");
        expect(byBytes.arrays[1][0]).toBe(Math.max(0, greatest - 6));
        expect(byFloats.arrays[1][0]).toBe(2 ** (Math.max(0, greatest - 6) - 127));
        expect(byFloats.arrays[0]).toEqual(byBytes.arrays[0]);
        const decoded = decodeF8(kernels, byBytes, geometry);
        const changed = decoded.filter((y, i) => y !== Math.fround(fp4Value(fp4, i))).length;
        expect([byBytes.position, byBytes.count]).toEqual([-1, changed]);
        if (greatest >= 6) expect(changed > 0).toBe(distance > 14);
        const negative = (y: number) => Object.is(y, -0) || y < 0;
        expect(decoded.every((y, i) => negative(y) === negative(fp4Value(fp4, i)))).toBe(true);
      }
  });

  test("FP4 to FP8: groups of zeros do not count, blocks of zeros have scale 1", () => {
    const codes = new Uint8Array(64);
    codes[0] = 0x70;
    const fp4 = { codes, scales: Uint8Array.of(100, 250, 250, 250), rows: 2, cols: 64 };
    const geometry = { cols: 64, blockRows: 1, blockCols: 64 };
    const { arrays, count } = toF8(kernels, fp4, geometry);
    expect([count, ...arrays[1]]).toEqual([0, 94, 127]);
    expect(arrays[0][1]).toBe(0x7c); // 384
    fp4.scales[3] = 255;
    expect(toF8(kernels, fp4, geometry).position).toBe(3);
  });

  test("E4M3 codes are torch's", () => {
    const values = floatsOf(vectors.e4m3.values);
    const { arrays } = encodeF8(kernels, values, {
      cols: values.length,
      blockRows: 1,
      blockCols: values.length,
    });
    expect(arrays[1][0]).toBe(127);
    expect(Buffer.from(arrays[0] as Uint8Array).toString("hex")).toBe(vectors.e4m3.codes);
  });

  test("FP8 scales are the least power of two that saturates nothing", () => {
    const peaks = [448, 448.00003, 224, 3.5, 2 ** -126, 2 ** -149, 1e-42, 3.4e38, 0, 7, 7.0000005];
    for (const peak of peaks.map(Math.fround)) {
      const values = new Float32Array(12).fill(-peak, 5, 6);
      const { arrays } = encodeF8(kernels, values, { cols: 4, blockRows: 2, blockCols: 3 }, "f32");
      const least = peak === 0 ? 1 : Math.max(2 ** -127, 2 ** Math.ceil(Math.log2(peak / 448)));
      expect([...arrays[1]]).toEqual([least, 1, 1, 1]);
      expect(arrays[0][5] & 127).toBeLessThan(127);
      if (peak >= 2 ** -110) expect(448 * least >= peak && 224 * least < peak).toBe(peak !== 0);
    }
  });

  test.each(vectors.int4)(
    "int4 reads what compressed-tensors reads: groups of $group, $dtype, symmetric $symmetric",
    (vector) => {
      const [rows, cols] = [10, 128];
      const take = takeBytes(vector.group + Number(vector.symmetric));
      const groups = cols / vector.group;
      const packed = take((rows * cols) / 2);
      take(rows * groups);
      const zeroPoints = vector.symmetric ? undefined : take(8 * groups);
      const format: EncodableFormat & ("bf16" | "f16") = vector.dtype === "bfloat16" ? "bf16" : "f16";
      const values = decodeInt4(kernels, {
        ...{ rowLength: cols, group: vector.group, scaleFormat: format },
        ...{ packed, scales: bytesOf(vector.scales), ...(zeroPoints && { zeroPoints }) },
      });
      const narrowed = new Uint8Array(2 * values.length);
      expect(kernels.encode(format, values, narrowed, { rowLength: cols })).toBe(-1);
      expect(Buffer.from(narrowed).toString("hex")).toBe(vector.weight);
    },
  );

  test.each(vectors.int4Encoded)(
    "int4 has less error than min and max: groups of $group, symmetric $symmetric",
    ({ group, symmetric, packed, scales, zeroPoints }) => {
      const take = takeBytes(7);
      const values = Float32Array.from({ length: 8 * 128 }, () => {
        const [a, b, c, d] = take(4);
        return (a + b + c + d - 510) / 128;
      });
      const shape = { rowLength: 128, group, scaleFormat: "bf16", asymmetric: !symmetric } as const;
      const theirs = decodeInt4(kernels, {
        ...{ rowLength: 128, group, scaleFormat: "bf16", packed: bytesOf(packed), scales: bytesOf(scales) },
        ...(zeroPoints && { zeroPoints: bytesOf(zeroPoints) }),
      });
      const ours = decodeInt4(kernels, encodeInt4(kernels, values, shape).matrix);
      const bound = squares(theirs, values);
      expect(bound).toBeLessThan(0.02 * squares(new Float32Array(values.length), values));
      expect(squares(ours, values)).toBeLessThan(0.97 * bound);
      // A weight on the first columns moves error away from them.
      const importance = new Float32Array(128).map((__, i) => (i % 32 < 8 ? 100 : 1));
      const weighted = decodeInt4(kernels, encodeInt4(kernels, values, shape, importance).matrix);
      const weightOf = (i: number) => importance[i % 128];
      expect(squares(weighted, values, weightOf)).toBeLessThan(squares(ours, values, weightOf));
    },
  );

  test("int4 groups of zeros have scale 1, and codes of 8", () => {
    for (const asymmetric of [false, true])
      for (const scaleFormat of ["bf16", "f16"] as const) {
        const shape = { rowLength: 64, group: 32, scaleFormat, asymmetric } as const;
        const { matrix } = encodeInt4(kernels, new Float32Array(64 * 3), shape);
        expect(matrix.packed.every((byte) => byte === 0x88)).toBe(true);
        expect(matrix.scales[1]).toBe(scaleFormat === "bf16" ? 0x3f : 0x3c);
        if (asymmetric) expect([...matrix.zeroPoints!]).toEqual([0x88, 8, 0, 0, 0x88, 8, 0, 0]);
        expect(decodeInt4(kernels, matrix).every((y) => y === 0)).toBe(true);
        matrix.scales[7] = 0xff;
        matrix.scales[6] = 0xff;
        expect(kernels.decodeInt4(matrix, new Float32Array(192))).toBe(3);
      }
  });

  test("NVFP4 reads what compressed-tensors reads", () => {
    const codes = takeBytes(3)((10 * 128) / 2);
    const scales = Uint8Array.from({ length: (10 * 128) / 16 }, (__, i) => 1 + (i % 126));
    const { weight, scale2 } = vectors.nvfp4;
    const values = decodeNvfp4(kernels, { position: -1, arrays: [codes, scales] }, scale2);
    expect([...values]).toEqual([...floatsOf(weight)]);
    const dst = new Float32Array(values.length);
    scales[3] = 0xff;
    expect(kernels.decodeNvfp4Groups(codes, scales, scale2, dst)).toBe(3);
  });

  test("bf16 holds every FP4 value except under extreme scales, which are counted", () => {
    for (let e = 0; e < 255; e++) {
      const codes = Uint8Array.from({ length: 24 }, (__, i) => ((2 * i) & 15) | (((2 * i + 1) & 15) << 4));
      const fp4 = { codes, scales: Uint8Array.of(e), rows: 1, cols: 48 };
      const { arrays, count } = fp4ToBf16(kernels, fp4);
      const changed = [...widenBf16(arrays[0] as Uint8Array)].filter((y, i) => y !== fp4Value(fp4, i)).length;
      expect(count).toBe(changed);
      expect(changed > 0).toBe(e >= 253); // 6 * 2^126 is no f32
    }
    const nan = { codes: new Uint8Array(32), scales: Uint8Array.of(9, 255), rows: 1, cols: 64 };
    expect(fp4ToBf16(kernels, nan).position).toBe(1);
  });

  test("bf16 holds every FP8 value except under extreme scales, which are counted", () => {
    const codes = Uint8Array.from({ length: 256 }, (__, i) => i).filter((code) => (code & 127) !== 127);
    const value = (code: number) =>
      (code & 128 ? -1 : 1) *
      ((code & 120) === 0 ? (code & 7) * 2 ** -9 : (8 + (code & 7)) * 2 ** (((code >> 3) & 15) - 10));
    for (let e = 0; e < 255; e++) {
      const geometry = { cols: 254, blockRows: 1, blockCols: 254 };
      const { arrays, count } = f8ToBf16(kernels, codes, Uint8Array.of(e), geometry);
      const narrowed = widenBf16(arrays[0] as Uint8Array);
      const changed = codes.filter((code, i) => narrowed[i] !== value(code) * 2 ** (e - 127)).length;
      expect(count).toBe(changed);
      expect(changed > 0).toBe(e < 3 || e > 246);
    }
  });
});
