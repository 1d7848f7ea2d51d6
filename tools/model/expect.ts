import type { Dtype } from "../formats/dtypes.ts";
import { traitsOf } from "../formats/dtypes.ts";
import { dataError } from "../lib/errors.ts";
import { formatShape, sameShape } from "../lib/shape.ts";
import type { StoredTensor } from "./stored-tensor.ts";

/** Refuses a tensor of another shape. */
export function expectShape(tensor: StoredTensor, expected: readonly number[]): void {
  if (!sameShape(tensor.shape, expected))
    throw dataError({
      what: "the shape does not fit the configuration",
      file: tensor.file,
      tensor: tensor.name,
      expected: formatShape(expected),
      found: formatShape(tensor.shape),
    });
}

/** Refuses a tensor of another dtype. */
export function expectDtype(tensor: StoredTensor, ...expected: readonly Dtype[]): void {
  if (!expected.includes(tensor.dtype))
    throw dataError({
      what: "wrong dtype",
      file: tensor.file,
      tensor: tensor.name,
      expected: expected.map((dtype) => traitsOf(dtype).safetensors).join(" or "),
      found: tensor.dtype.toUpperCase(),
    });
}
