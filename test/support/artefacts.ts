import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Kernels } from "../../kernels/kernels.ts";
import { EMPTY_SPAN, type Int4Matrix, nvfp4Exponent } from "../../kernels/safetensors.ts";
import type { StoredRows } from "../../tools/checkpoint/decode-rows.ts";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { decodeStored, readStored, rowCount } from "../../tools/checkpoint/read-rows.ts";
import type { TensorSource } from "../../tools/checkpoint/source.ts";
import type { Dtype } from "../../tools/formats/dtypes.ts";
import { layoutSafetensors } from "../../tools/formats/safetensors/layout.ts";
import { type CensusEntry, storedTensors, takeCensus } from "../../tools/model/census.ts";

/** A tensor of an artefact with its bytes. */
interface Stored {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** One expert's matrix of the source: as it is stored there, and its values. */
interface ExpertMatrix {
  readonly kernels: Kernels;
  /** `layers.N.ffn.experts.E.wK.` */
  readonly stem: string;
  readonly out: number;
  readonly in: number;
  readonly stored: StoredRows;
  readonly values: Float32Array;
}

/** What is written for a matrix, and what the kernels say that it means. */
interface Encoded {
  readonly tensors: readonly Stored[];
  readonly values: Float32Array;
}

export type ExpertLayout = (matrix: ExpertMatrix) => Encoded;

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** NVFP4 codes and group scales under a global scale of 2^k, from FP4 without arithmetic where that is exact. */
function exactNvfp4({ kernels, stored, values }: ExpertMatrix) {
  const span = Uint8Array.from(EMPTY_SPAN);
  const scales = stored.scale?.bytes as Uint8Array;
  kernels.scanFp4(stored.weight, scales, span);
  const exponent = nvfp4Exponent(span);
  const codes = new Uint8Array(values.length / 2);
  const groupScales = new Uint8Array(values.length / 16);
  kernels.fp4ToNvfp4(stored.weight, scales, exponent, codes, groupScales, new Uint32Array(1));
  return { codes, groupScales, scale2: 2 ** exponent };
}

/** The same by search, under max|W| / 2688. */
function searchedNvfp4({ kernels, values, in: rowLength }: ExpertMatrix) {
  const scale2 = Math.fround(values.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 2688);
  const codes = new Uint8Array(values.length / 2);
  const groupScales = new Uint8Array(values.length / 16);
  kernels.encodeNvfp4Groups(values, scale2, codes, groupScales, { rowLength });
  return { codes, groupScales, scale2 };
}

const modelopt =
  (encode: (matrix: ExpertMatrix) => ReturnType<typeof exactNvfp4>): ExpertLayout =>
  (matrix) => {
    const { stem, out, kernels } = matrix;
    const { codes, groupScales, scale2 } = encode(matrix);
    const values = new Float32Array(matrix.values.length);
    kernels.decodeNvfp4Groups(codes, groupScales, scale2, values);
    return {
      tensors: [
        { name: `${stem}weight`, dtype: "u8", shape: [out, matrix.in / 2], bytes: codes },
        { name: `${stem}weight_scale`, dtype: "F8_E4M3", shape: [out, matrix.in / 16], bytes: groupScales },
        { name: `${stem}weight_scale_2`, dtype: "f32", shape: [], bytes: bytesOf(Float32Array.of(scale2)) },
        { name: `${stem}input_scale`, dtype: "f32", shape: [], bytes: bytesOf(Float32Array.of(0.01)) },
      ],
      values,
    };
  };

/** compressed-tensors NVFP4: the divisor is what is stored, so the factor is its inverse in f32. */
const packedNvfp4: ExpertLayout = (matrix) => {
  const { stem, out, kernels } = matrix;
  const { codes, groupScales, scale2 } = searchedNvfp4(matrix);
  const divisor = Float32Array.of(1 / scale2);
  const values = new Float32Array(matrix.values.length);
  kernels.decodeNvfp4Groups(codes, groupScales, Math.fround(1 / divisor[0]), values);
  return {
    tensors: [
      { name: `${stem}weight_packed`, dtype: "u8", shape: [out, matrix.in / 2], bytes: codes },
      { name: `${stem}weight_scale`, dtype: "F8_E4M3", shape: [out, matrix.in / 16], bytes: groupScales },
      { name: `${stem}weight_global_scale`, dtype: "f32", shape: [1], bytes: bytesOf(divisor) },
    ],
    values,
  };
};

const packedInt4 =
  (shape: Pick<Int4Matrix, "group" | "scaleFormat">, asymmetric: boolean): ExpertLayout =>
  ({ kernels, stem, out, in: rowLength, values: source }) => {
    const groups = rowLength / shape.group;
    const zeroRows = Math.ceil(out / 8);
    const matrix: Int4Matrix = {
      ...shape,
      rowLength,
      packed: new Uint8Array(source.length / 2),
      scales: new Uint8Array(2 * out * groups),
      ...(asymmetric && { zeroPoints: new Uint8Array(4 * zeroRows * groups) }),
    };
    kernels.encodeInt4(source, matrix);
    const values = new Float32Array(source.length);
    kernels.decodeInt4(matrix, values);
    const { packed, scales, zeroPoints, scaleFormat } = matrix;
    const stated = bytesOf(BigInt64Array.of(BigInt(out), BigInt(rowLength)));
    return {
      tensors: [
        { name: `${stem}weight_packed`, dtype: "i32", shape: [out, rowLength / 8], bytes: packed },
        { name: `${stem}weight_scale`, dtype: scaleFormat, shape: [out, groups], bytes: scales },
        { name: `${stem}weight_shape`, dtype: "i64", shape: [2], bytes: stated },
        ...(zeroPoints
          ? [
              {
                name: `${stem}weight_zero_point`,
                dtype: "i32" as const,
                shape: [zeroRows, groups],
                bytes: zeroPoints,
              },
            ]
          : []),
      ],
      values,
    };
  };

/** FP8 with F32 scales per 128 x 128, as in Base releases. */
const fp8: ExpertLayout = ({ kernels, stem, out, in: cols, values: source }) => {
  const blocks = [Math.ceil(out / 128), Math.ceil(cols / 128)];
  const scales = new Float32Array(blocks[0] * blocks[1]);
  const codes = new Uint8Array(source.length);
  kernels.encodeF8(source, { cols, blockRows: 128, blockCols: 128, scales }, codes);
  const values = new Float32Array(source.length);
  kernels.decodeF8(codes, cols, { values: scales, blockRows: 128, blockCols: 128, firstRow: 0 }, values);
  return {
    tensors: [
      { name: `${stem}weight`, dtype: "F8_E4M3", shape: [out, cols], bytes: codes },
      { name: `${stem}scale`, dtype: "f32", shape: blocks, bytes: bytesOf(scales) },
    ],
    values,
  };
};

const plain =
  (dtype: "bf16" | "f32"): ExpertLayout =>
  ({ kernels, stem, out, in: rowLength, values }) => {
    const bytes = new Uint8Array((dtype === "bf16" ? 2 : 4) * values.length);
    kernels.encode(dtype, values, bytes, { rowLength });
    return { tensors: [{ name: `${stem}weight`, dtype, shape: [out, rowLength], bytes }], values };
  };

/** The values themselves, for comparison. */
export const F32_LAYOUT = plain("f32");

/** The ways in which artefacts store experts. */
export const EXPERT_LAYOUTS = {
  "ModelOpt NVFP4, exact": modelopt(exactNvfp4),
  "ModelOpt NVFP4, searched": modelopt(searchedNvfp4),
  "compressed-tensors NVFP4": packedNvfp4,
  "compressed-tensors INT4, groups of 32, BF16 scales": packedInt4({ group: 32, scaleFormat: "bf16" }, false),
  "compressed-tensors INT4, groups of 128, F16 scales": packedInt4({ group: 128, scaleFormat: "f16" }, false),
  "compressed-tensors INT4 with zero points": packedInt4({ group: 64, scaleFormat: "bf16" }, true),
  "FP8 with F32 scales": fp8,
  BF16: plain("bf16"),
} as const satisfies Record<string, ExpertLayout>;

export type ExpertLayoutName = keyof typeof EXPERT_LAYOUTS;

/**
 * Writes the checkpoint at `from` again with the routed experts of its layers in another layout, everything else as it
 * is. Returns the values that each of those matrices must have, by name.
 */
export async function writeArtefact(
  kernels: Kernels,
  from: string,
  to: string,
  layoutOf: (entry: CensusEntry) => ExpertLayout | undefined,
): Promise<ReadonlyMap<string, Float32Array>> {
  const source = await openCheckpoint(from);
  try {
    const written: Stored[] = [];
    const values = new Map<string, Float32Array>();
    for (const entry of takeCensus(source.config, source.tensors, from).entries) {
      const layout = isRouted(entry) ? layoutOf(entry) : undefined;
      if (layout) {
        const encoded = layout(await expertMatrix(kernels, source, entry));
        written.push(...encoded.tensors);
        values.set(entry.spec.name, encoded.values);
      } else {
        for (const tensor of storedTensors(entry)) {
          const bytes = new Uint8Array(tensor.byteLength);
          await source.read(tensor, 0, bytes);
          written.push({ name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes });
        }
      }
    }
    writeFolder(from, to, written);
    return values;
  } finally {
    await source.close();
  }
}

const isRouted = ({ spec }: CensusEntry): boolean => spec.role === "expert" && spec.block.kind === "layer";

async function expertMatrix(
  kernels: Kernels,
  source: TensorSource,
  entry: CensusEntry,
): Promise<ExpertMatrix> {
  const [out, cols] = entry.spec.shape;
  const stored = await readStored(source, entry, 0, rowCount(entry));
  const values = new Float32Array(out * cols);
  decodeStored(kernels, entry, stored, 0, values);
  return { kernels, stem: entry.spec.name.replace(/weight$/, ""), out, in: cols, stored, values };
}

function writeFolder(from: string, to: string, tensors: readonly Stored[]): void {
  mkdirSync(to, { recursive: true });
  const file = "model-00001-of-00001.safetensors";
  const { prefix } = layoutSafetensors(tensors);
  writeFileSync(join(to, file), Buffer.concat([prefix, ...tensors.map(({ bytes }) => bytes)]));
  const weight_map = Object.fromEntries(tensors.map(({ name }) => [name, file]));
  writeFileSync(join(to, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map }));
  for (const name of ["config.json", "tokenizer.json"]) copyFileSync(join(from, name), join(to, name));
}
