import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type DecodableFormat, type Kernels, OK } from "../../../kernels/kernels.ts";
import { chooseKernels } from "../../../kernels/load.ts";
import { isDtype } from "../../../tools/formats/dtypes.ts";
import { isScaled, SCALED_STORAGE, type Storage } from "../../../tools/plan/storage.ts";

/** A row of an artefact as it is stored, and what a foreign implementation reads from it: hex, little-endian. */
interface Vector {
  readonly storage: string;
  readonly judge: string;
  readonly cols: number;
  readonly codes: string;
  readonly scales?: string;
  readonly biases?: string;
  readonly global?: string;
  readonly values: string;
}

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as Vector[];

/** A fresh buffer: Float32Array needs alignment. */
const bytes = (hex: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(hex ?? "", "hex"));
const floats = (hex: string | undefined): Float32Array => new Float32Array(bytes(hex).buffer);

function decode(kernels: Kernels, vector: Vector, dst: Float32Array): number {
  const codes = bytes(vector.codes);
  const scales = bytes(vector.scales);
  const { cols } = vector;
  const f8 = { blockRows: 128, blockCols: 128, firstRow: 0 };
  const affine = { rowLength: cols, group: 64, packed: codes, scales, biases: bytes(vector.biases) } as const;
  const int4 = { rowLength: cols, packed: codes, scaleFormat: "bf16", scales } as const;
  switch (vector.storage) {
    case "fp4":
    // The same bytes seen as 32-bit words.
    case "mlx_mxfp4":
      return kernels.decodeFp4(codes, scales, dst);
    case "fp8":
      return kernels.decodeF8(codes, cols, { ...f8, values: scales }, dst);
    case "fp8_f32":
      return kernels.decodeF8(codes, cols, { ...f8, values: floats(vector.scales) }, dst);
    case "nvfp4_groups":
      return kernels.decodeNvfp4Groups(codes, scales, floats(vector.global)[0], dst);
    case "int4_g32":
      return kernels.decodeInt4({ ...int4, group: 32 }, dst);
    case "int4_g128":
      return kernels.decodeInt4({ ...int4, group: 128 }, dst);
    case "mlx_affine4":
      return kernels.decodeMlxAffine({ ...affine, bits: 4 }, dst);
    case "mlx_affine8":
      return kernels.decodeMlxAffine({ ...affine, bits: 8 }, dst);
    default:
      return kernels.decode(vector.storage as DecodableFormat, codes, dst);
  }
}

const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.buffer);

test.each(chooseKernels("").available.map((kernels) => [kernels.set, kernels] as const))(
  "%s: a row of every storage is read as foreign implementations read it, bit for bit",
  (_, kernels) => {
    for (const vector of vectors) {
      const dst = new Float32Array(vector.cols);
      expect(decode(kernels, vector, dst), vector.storage).toBe(OK);
      expect(bits(dst), `${vector.storage}, judge: ${vector.judge}`).toEqual(bits(floats(vector.values)));
      expect(new Set(dst).size, vector.storage).toBeGreaterThan(4);
    }
  },
);

test("every storage that a recipe can name has a vector", () => {
  const judged = new Set(vectors.map(({ storage }) => storage));
  const named: Storage[] = [
    ...(Object.keys(SCALED_STORAGE) as Storage[]),
    ...["f16", "bf16", "q4_0", "q8_0", "q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "iq2_xxs", "iq2_xs", "iq2_s"],
    ...["iq3_xxs", "iq3_s", "iq4_nl", "iq4_xs", "mxfp4", "nvfp4"],
  ] as Storage[];
  for (const storage of judged) expect(isScaled(storage as Storage) || isDtype(storage), storage).toBe(true);
  expect(named.filter((storage) => !judged.has(storage))).toEqual([]);
});
