import type { Dtype } from "../../formats/dtypes.ts";
import type { FactTensor } from "../../model/artefact-facts.ts";

/**
 * How a safetensors folder stores one matrix, as engines name the pieces: codes first, each with the dtypes it may have
 * and the values of the matrix that one element stands for. Written here from the engines' side and not taken from the
 * writers' tables, which it judges.
 */
export interface Piece {
  readonly suffix: string;
  readonly dtypes: readonly Dtype[];
  /** Rows and columns per element; `any`: stated elsewhere, so only that it divides is checked. */
  readonly per?: readonly [rows: number, cols: number | "any"];
  /** A shape of its own. */
  readonly shape?: readonly number[];
}

const FLOATS: readonly Dtype[] = ["bf16", "f16", "f32"];
const piece = (suffix: string, dtypes: readonly Dtype[], rows: number, cols: number | "any"): Piece => ({
  suffix,
  dtypes,
  per: [rows, cols],
});
const own = (suffix: string, dtype: Dtype, shape: readonly number[]): Piece => ({
  suffix,
  dtypes: [dtype],
  shape,
});

const TABLE = {
  /** One tensor of elements. */
  plain: [piece(".weight", [...FLOATS, "i64", "i32"], 1, 1)],
  /** Official FP4: two codes in a byte, a power of two per 32. */
  fp4: [piece(".weight", ["i8"], 1, 2), piece(".scale", ["F8_E8M0"], 1, 32)],
  /** Official FP8: a power of two per block. */
  fp8: [piece(".weight", ["F8_E4M3"], 1, 1), piece(".scale", ["F8_E8M0"], 128, 128)],
  fp8_f32: [piece(".weight", ["F8_E4M3"], 1, 1), piece(".scale", ["f32"], 128, 128)],
  /** compressed-tensors, strategy block. */
  fp8_ct: [piece(".weight", ["F8_E4M3"], 1, 1), piece(".weight_scale", ["bf16", "f32"], 128, 128)],
  /** ModelOpt. */
  nvfp4: [
    piece(".weight", ["u8"], 1, 2),
    piece(".weight_scale", ["F8_E4M3"], 1, 16),
    own(".weight_scale_2", "f32", []),
    own(".input_scale", "f32", []),
  ],
  /** compressed-tensors, pack-quantized. */
  int4: [
    piece(".weight_packed", ["i32"], 1, 8),
    piece(".weight_scale", ["bf16", "f16"], 1, "any"),
    own(".weight_shape", "i64", [2]),
  ],
  /** compressed-tensors, nvfp4-pack-quantized: its global scale is the inverse of ModelOpt's. */
  nvfp4_ct: [
    piece(".weight_packed", ["u8"], 1, 2),
    piece(".weight_scale", ["F8_E4M3"], 1, 16),
    own(".weight_global_scale", "f32", [1]),
    own(".input_global_scale", "f32", [1]),
  ],
  mxfp4_ct: [piece(".weight_packed", ["u8"], 1, 2), piece(".weight_scale", ["u8"], 1, 32)],
  /** AutoRound and GPTQ store the transpose, so shapes are not checked: no rule takes it. */
  gptq: [
    { suffix: ".qweight", dtypes: ["i32"] },
    { suffix: ".qzeros", dtypes: ["i32"] },
    { suffix: ".scales", dtypes: ["f16", "bf16"] },
  ],
  /** MLX, the words' width is stated in config.json. */
  mlx_affine: [
    piece(".weight", ["u32"], 1, "any"),
    piece(".scales", FLOATS, 1, "any"),
    piece(".biases", FLOATS, 1, "any"),
  ],
  mlx_mxfp4: [piece(".weight", ["u32"], 1, 8), piece(".scales", ["u8"], 1, 32)],
} as const satisfies Record<string, readonly Piece[]>;

export type Encoding = keyof typeof TABLE;
export const ENCODING_NAMES = Object.keys(TABLE) as [Encoding, ...Encoding[]];
export const piecesOf = (encoding: Encoding): readonly Piece[] => TABLE[encoding];

/** Every suffix that a piece of a matrix can have. */
export const SUFFIXES: ReadonlySet<string> = new Set(
  ENCODING_NAMES.flatMap((name) => piecesOf(name).map(({ suffix }) => suffix)),
);

/** The tensors of one matrix by suffix. */
export type StoredPieces = ReadonlyMap<string, FactTensor>;

/** What a matrix is stored as, from the pieces that are there: one may be missing or wrong, which a check then says. */
export function identify(pieces: StoredPieces): Encoding | undefined {
  const dtype = (suffix: string): Dtype | undefined => pieces.get(suffix)?.dtype;
  if (pieces.has(".qweight")) return "gptq";
  const packed = dtype(".weight_packed");
  if (packed === "i32") return "int4";
  if (packed === "u8") return dtype(".weight_scale") === "u8" ? "mxfp4_ct" : "nvfp4_ct";
  switch (dtype(".weight")) {
    case "i8":
      return "fp4";
    case "u8":
      return "nvfp4";
    case "F8_E4M3":
      if (pieces.has(".weight_scale")) return "fp8_ct";
      return dtype(".scale") === "f32" ? "fp8_f32" : "fp8";
    case "u32":
      return dtype(".scales") === "u8" ? "mlx_mxfp4" : "mlx_affine";
    case "bf16":
    case "f16":
    case "f32":
    case "i64":
    case "i32":
      return "plain";
    default:
      return undefined;
  }
}

/** Whether two encodings have codes of one kind, so that only what lies beside them differs. */
export function sameCodes(a: Encoding, b: Encoding): boolean {
  const [x, y] = [piecesOf(a)[0], piecesOf(b)[0]];
  return x.suffix === y.suffix && x.dtypes.join() === y.dtypes.join();
}
