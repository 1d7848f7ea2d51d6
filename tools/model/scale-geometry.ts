import { dataError } from "../lib/errors.ts";
import { formatShape } from "../lib/shape.ts";
import { expectDtype, expectShape } from "./expect.ts";
import type { StoredTensor } from "./stored-tensor.ts";

/** What scales are stored as: E8M0 bytes are a power of two each, the others floating-point numbers. */
export type ScaleKind = "e8m0" | "e4m3" | "f32" | "bf16" | "f16";

/** How a weight's scale tensor maps onto it: `w[o,i] = code[o,i] * scale[o div blockRows, i div blockCols]`. */
export interface ScaleGeometry {
  readonly tensor: StoredTensor;
  readonly kind: ScaleKind;
  readonly blockRows: number;
  readonly blockCols: number;
}

/**
 * Reads the block geometry of an FP8 matrix `[out, in]` from the shapes of weight and scale. `stated` is the block
 * of config.json; it decides where the shapes alone are ambiguous, and must agree with them.
 */
export function fp8Geometry(
  weight: StoredTensor,
  scale: StoredTensor,
  stated: readonly [number, number] | undefined,
): ScaleGeometry {
  const [out, in_] = weight.shape;
  const blockRows = stated?.[0] ?? out / (scale.shape[0] ?? 0);
  const blockCols = stated?.[1] ?? in_ / (scale.shape[1] ?? 0);
  const expected = [Math.ceil(out / blockRows), Math.ceil(in_ / blockCols)];
  if (
    !Number.isInteger(blockRows) ||
    !Number.isInteger(blockCols) ||
    formatShape(expected) !== formatShape(scale.shape)
  )
    throw wrongShape(
      scale,
      stated ? formatShape(expected) : `one scale per block of ${formatShape(weight.shape)}`,
    );
  return { tensor: scale, kind: scaleKind(scale), blockRows, blockCols };
}

/** Reads the group size of packed FP4 `[out, in]` (stored `[out, in/2]`) from the scale's shape `[out, in/group]`. */
export function fp4Geometry(logicalShape: readonly number[], scale: StoredTensor): ScaleGeometry {
  const [out, in_] = logicalShape;
  const group = in_ / (scale.shape[1] ?? 0);
  if (scale.shape.length !== 2 || scale.shape[0] !== out || !Number.isInteger(group) || group % 2 !== 0)
    throw wrongShape(scale, `${formatShape([out, in_ / 32])} for groups of 32`);
  const kind = scaleKind(scale);
  if (kind === "f32")
    throw dataError({
      what: "FP4 weights need E8M0 scales",
      file: scale.file,
      tensor: scale.name,
      expected: "F8_E8M0",
      found: "F32",
    });
  return { tensor: scale, kind, blockRows: 1, blockCols: group };
}

/** The scales of NVFP4 `[out, in]`: E4M3, one per 16 columns, which a factor of the whole tensor multiplies. */
export function nvfp4Geometry(logicalShape: readonly number[], scale: StoredTensor): ScaleGeometry {
  const [out, in_] = logicalShape;
  expectDtype(scale, "F8_E4M3");
  expectShape(scale, [out, in_ / NVFP4_GROUP]);
  return { tensor: scale, kind: "e4m3", blockRows: 1, blockCols: NVFP4_GROUP };
}

/** Reads the group size of INT4 or of MLX words `[out, in]` from the scale's shape `[out, in/group]`. */
export function groupGeometry(logicalShape: readonly number[], scale: StoredTensor): ScaleGeometry {
  const [out, in_] = logicalShape;
  expectDtype(scale, "bf16", "f16");
  const group = in_ / (scale.shape[1] ?? 0);
  if (scale.shape.length !== 2 || scale.shape[0] !== out || !INT4_GROUPS.includes(group))
    throw wrongShape(scale, `[${out}, ${in_} / group] for groups of ${INT4_GROUPS.join(", ")}`);
  return { tensor: scale, kind: scale.dtype as "bf16" | "f16", blockRows: 1, blockCols: group };
}

const NVFP4_GROUP = 16;
const INT4_GROUPS: readonly number[] = [32, 64, 128];

/** E8M0 bytes also come labelled U8 or I8; Base releases store F32. */
function scaleKind(scale: StoredTensor): "e8m0" | "f32" {
  switch (scale.dtype) {
    case "F8_E8M0":
    case "u8":
    case "i8":
      return "e8m0";
    case "f32":
      return "f32";
    default:
      throw dataError({
        what: "unsupported scale dtype",
        file: scale.file,
        tensor: scale.name,
        expected: "F8_E8M0 or F32",
        found: scale.dtype,
      });
  }
}

function wrongShape(scale: StoredTensor, expected: string): Error {
  return dataError({
    what: "the scale has the wrong shape",
    file: scale.file,
    tensor: scale.name,
    expected,
    found: formatShape(scale.shape),
  });
}
