import type { DecodableFormat, EncodableFormat, Kernels } from "../../kernels/kernels.ts";
import type { Int4Matrix } from "../../kernels/safetensors.ts";
import { F8_BLOCK, isScaled, MLX_GROUP, type Storage } from "../plan/storage.ts";
import { f8Scales } from "./move-rows.ts";
import { packFp4 } from "./mxfp4-layout.ts";

export interface EncodeTarget {
  readonly storage: Exclude<Storage, "source">;
  readonly rowLength: number;
  /** A range of bytes for every stored tensor, in the order of the storage. */
  readonly outs: readonly Uint8Array[];
  readonly importance?: Float32Array;
  readonly global?: number;
}

const f8Blocks = ({ storage, rowLength, outs }: EncodeTarget) => ({
  cols: rowLength,
  blockRows: F8_BLOCK,
  blockCols: F8_BLOCK,
  scales: f8Scales(storage, outs[1]),
});

const int4Matrix = ({ storage, rowLength, outs }: EncodeTarget): Int4Matrix => ({
  rowLength,
  group: storage === "int4_g32" ? 32 : 128,
  packed: outs[0],
  scaleFormat: "bf16",
  scales: outs[1],
});

const mlxMatrix = ({ storage, rowLength, outs }: EncodeTarget) =>
  ({
    rowLength,
    group: MLX_GROUP,
    bits: storage === "mlx_affine4" ? 4 : 8,
    packed: outs[0],
    scales: outs[1],
    biases: outs[2],
  }) as const;

/** Encodes f32 rows into a storage. Returns -1, or the index of the first value it cannot take. */
export function encodeRows(kernels: Kernels, values: Float32Array, target: EncodeTarget): number {
  const { storage, rowLength, outs, importance, global } = target;
  const options = { rowLength, ...(importance && { importance }) };
  if (!isScaled(storage)) return kernels.encode(storage as EncodableFormat, values, outs[0], options);
  switch (storage) {
    case "fp4":
    case "mlx_mxfp4": {
      const blocks = new Uint8Array((values.length / 32) * 17);
      const index = kernels.encode("mxfp4", values, blocks, options);
      if (index < 0) packFp4(blocks, outs[0], outs[1]);
      return index;
    }
    case "fp8":
    case "fp8_f32":
      return kernels.encodeF8(values, f8Blocks(target), outs[0]);
    case "nvfp4_groups":
      return kernels.encodeNvfp4Groups(values, global as number, outs[0], outs[1], options);
    case "int4_g32":
    case "int4_g128":
      return kernels.encodeInt4(values, int4Matrix(target), importance);
    case "mlx_affine4":
    case "mlx_affine8":
      return kernels.encodeMlxAffine(values, mlxMatrix(target), importance);
  }
}

/** Decodes what `encodeRows` (or a move) wrote; the rows begin a unit of every stored tensor. */
export function decodeOutput(kernels: Kernels, target: EncodeTarget, into: Float32Array): void {
  const { storage, rowLength, outs, global } = target;
  if (!isScaled(storage)) {
    kernels.decode(storage as DecodableFormat, outs[0], into);
    return;
  }
  switch (storage) {
    case "fp4":
    case "mlx_mxfp4":
      kernels.decodeFp4(outs[0], outs[1], into);
      return;
    case "fp8":
    case "fp8_f32": {
      const scales = f8Scales(storage, outs[1]);
      kernels.decodeF8(
        outs[0],
        rowLength,
        { values: scales, blockRows: F8_BLOCK, blockCols: F8_BLOCK, firstRow: 0 },
        into,
      );
      return;
    }
    case "nvfp4_groups":
      kernels.decodeNvfp4Groups(outs[0], outs[1], global as number, into);
      return;
    case "int4_g32":
    case "int4_g128":
      kernels.decodeInt4(int4Matrix(target), into);
      return;
    case "mlx_affine4":
    case "mlx_affine8":
      kernels.decodeMlxAffine(mlxMatrix(target), into);
  }
}
