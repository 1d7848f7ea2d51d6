import { describe, expect, test } from "vitest";
import { chooseKernels } from "../../kernels/load.ts";
import { int4Matrix, mlxMatrix } from "./safetensors-runs.ts";

/** What every set promises about lengths, for the kernels behind safetensors outputs. */
const { available } = chooseKernels("scalar");

describe.each(available.map((kernels) => [kernels.set, kernels] as const))("%s", (_, kernels) => {
  test("wrong lengths and numbers are refused, by every kernel", () => {
    const [codes, scales] = [new Uint8Array(64), new Uint8Array(4)];
    const [x, one] = [new Float32Array(128), new Uint32Array(1)];
    const short = <T extends Uint8Array | Float32Array | Uint32Array>(array: T) => array.subarray(1) as T;
    const refused = (call: () => unknown) => expect(call).toThrow(RangeError);

    refused(() => kernels.scanFp4(short(codes), scales, new Uint8Array(2)));
    refused(() => kernels.scanFp4(codes, scales, new Uint8Array(3)));
    refused(() => kernels.scanFp4(codes, new Uint8Array(16), new Uint8Array(2))); // groups of 8
    const nvfp4 = (exponent: number, c = codes, s = new Uint8Array(8), n = one) =>
      kernels.fp4ToNvfp4(codes, scales, exponent, c, s, n);
    expect(nvfp4(0)).toBe(-1);
    for (const exponent of [-150, 128, 0.5, Number.NaN]) refused(() => nvfp4(exponent));
    refused(() => nvfp4(0, short(codes)));
    refused(() => nvfp4(0, codes, new Uint8Array(7)));
    refused(() => nvfp4(0, codes, new Uint8Array(8), new Uint32Array(2)));

    const groups = (scale2: number, rowLength: number, s = new Uint8Array(8), c = codes, src = x) =>
      kernels.encodeNvfp4Groups(src, scale2, c, s, { rowLength });
    expect(groups(1, 64)).toBe(-1);
    for (const scale2 of [0, -1, 0.1, Number.NaN, Number.POSITIVE_INFINITY, 1e300])
      refused(() => groups(scale2, 64));
    for (const rowLength of [0, 8, 48, 64.5]) refused(() => groups(1, rowLength));
    refused(() => groups(1, 64, new Uint8Array(7)));
    refused(() => groups(1, 64, new Uint8Array(8), short(codes)));
    refused(() => groups(1, 64, new Uint8Array(8), codes, short(x)));
    for (const importance of [new Float32Array(0), new Float32Array(63), new Float32Array(64).fill(-1)])
      refused(() => kernels.encodeNvfp4Groups(x, 1, codes, new Uint8Array(8), { rowLength: 64, importance }));
    refused(() => kernels.decodeNvfp4Groups(codes, new Uint8Array(8), 0, x));
    refused(() => kernels.decodeNvfp4Groups(codes, new Uint8Array(7), 1, x));
    refused(() => kernels.decodeNvfp4Groups(codes, new Uint8Array(8), 1, short(x)));

    const blocks = { cols: 64, blockRows: 2, blockCols: 32, scales: new Uint8Array(2) };
    const bytes = new Uint8Array(128);
    const f8 = (changes: Partial<typeof blocks>, dst = bytes) => {
      kernels.encodeF8(x, { ...blocks, ...changes }, dst);
    };
    const fromFp4 = (changes: Partial<typeof blocks>, dst = bytes) => {
      kernels.fp4ToF8(codes, scales, { ...blocks, ...changes }, dst, one);
    };
    for (const encode of [f8, fromFp4]) {
      encode({});
      refused(() => encode({}, short(bytes)));
      for (const n of [0, -1, 1.5]) {
        refused(() => encode({ cols: n }));
        refused(() => encode({ blockRows: n }));
        refused(() => encode({ blockCols: n }));
      }
      refused(() => encode({ cols: 63 }));
      refused(() => encode({ scales: new Uint8Array(1) }));
      refused(() => encode({ scales: new Uint8Array(3) }));
      refused(() => encode({ scales: new Uint8Array(4) }));
    }
    refused(() => kernels.fp4ToF8(codes, new Uint8Array(3), blocks, bytes, one));
    refused(() => kernels.fp4ToF8(codes, new Uint8Array(0), blocks, bytes, one));
    refused(() => kernels.fp4ToF8(codes, new Uint8Array(128), blocks, bytes, one)); // groups of 1
    refused(() => kernels.fp4ToF8(codes, scales, blocks, bytes, new Uint32Array(0)));

    const good = int4Matrix(128, { rowLength: 64, group: 32, scaleFormat: "bf16", asymmetric: true });
    const matrices: Partial<typeof good>[] = [
      { rowLength: 0 },
      { rowLength: 48 },
      { group: 16 as 32 },
      { packed: short(good.packed) },
      { scales: short(good.scales) },
      { zeroPoints: short(good.zeroPoints!) },
      { zeroPoints: new Uint8Array(0) },
    ];
    expect(kernels.encodeInt4(x, good)).toBe(-1);
    expect(kernels.decodeInt4(good, x)).toBe(-1);
    for (const change of matrices) {
      refused(() => kernels.encodeInt4(x, { ...good, ...change }));
      refused(() => kernels.decodeInt4({ ...good, ...change }, x));
    }
    refused(() => kernels.encodeInt4(short(x), good));
    refused(() => kernels.encodeInt4(x, good, new Float32Array(0)));
    refused(() => kernels.encodeInt4(x, good, new Float32Array(63)));
    refused(() => kernels.decodeInt4(good, short(x)));

    for (const bits of [4, 8] as const) {
      const affine = mlxMatrix(128, { rowLength: 64, group: 32, bits });
      const changes: Partial<typeof affine>[] = [
        { rowLength: 0 },
        { rowLength: 48 },
        { group: 16 as 32 },
        { bits: 2 as 4 },
        { bits: bits === 4 ? 8 : 4 },
        { packed: short(affine.packed) },
        { scales: short(affine.scales) },
        { biases: short(affine.biases) },
      ];
      expect(kernels.encodeMlxAffine(x, affine)).toBe(-1);
      expect(kernels.decodeMlxAffine(affine, x)).toBe(-1);
      for (const change of changes) {
        refused(() => kernels.encodeMlxAffine(x, { ...affine, ...change }));
        refused(() => kernels.decodeMlxAffine({ ...affine, ...change }, x));
      }
      refused(() => kernels.encodeMlxAffine(short(x), affine));
      refused(() => kernels.encodeMlxAffine(x, affine, new Float32Array(63)));
      refused(() => kernels.decodeMlxAffine(affine, short(x)));
    }

    const f8Scales = { values: new Uint8Array(2), blockRows: 2, blockCols: 32, firstRow: 0 };
    const wide = new Uint8Array(256);
    expect(kernels.decodeF8Bf16(bytes, 64, f8Scales, wide, one)).toBe(-1);
    refused(() => kernels.decodeF8Bf16(bytes, 64, f8Scales, short(wide), one));
    refused(() => kernels.decodeF8Bf16(bytes, 64, { ...f8Scales, firstRow: 1 }, wide, one));
    refused(() => kernels.decodeF8Bf16(bytes, 64, f8Scales, wide, new Uint32Array(2)));
    expect(kernels.decodeFp4Bf16(codes, scales, wide, one)).toBe(-1);
    refused(() => kernels.decodeFp4Bf16(codes, scales, short(wide), one));
    refused(() => kernels.decodeFp4Bf16(codes, short(scales), wide, one));
  });

  test("nothing to do is fine", () => {
    const [none, floats, n] = [new Uint8Array(0), new Float32Array(0), new Uint32Array(1)];
    const blocks = { cols: 64, blockRows: 128, blockCols: 128, scales: none };
    expect(kernels.scanFp4(none, none, new Uint8Array(2))).toBe(-1);
    expect(kernels.fp4ToNvfp4(none, none, 0, none, none, n)).toBe(-1);
    expect(kernels.encodeNvfp4Groups(floats, 1, none, none, { rowLength: 16 })).toBe(-1);
    expect(kernels.fp4ToF8(none, none, blocks, none, n)).toBe(-1);
    expect(kernels.encodeF8(floats, blocks, none)).toBe(-1);
    const matrix = { rowLength: 32, group: 32, scaleFormat: "f16", packed: none, scales: none } as const;
    expect(kernels.encodeInt4(floats, { ...matrix, zeroPoints: none })).toBe(-1);
    expect(kernels.decodeInt4({ ...matrix, zeroPoints: none }, floats)).toBe(-1);
    const affine = mlxMatrix(0, { rowLength: 32, group: 32, bits: 4 });
    expect(kernels.encodeMlxAffine(floats, affine)).toBe(-1);
    expect(kernels.decodeMlxAffine(affine, floats)).toBe(-1);
  });
});
