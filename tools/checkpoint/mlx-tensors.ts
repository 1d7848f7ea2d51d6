import { dataError } from "../lib/errors.ts";
import { formatShape, sameShape } from "../lib/shape.ts";
import { scaleName } from "../model/census.ts";
import type { ModelConfig } from "../model/config.ts";
import { inventory, type TensorSpec } from "../model/inventory.ts";
import { mlxName } from "../model/mlx-names.ts";
import { officialName } from "../model/names.ts";
import type { StoredTensor } from "../model/stored-tensor.ts";

/** A tensor with its place in a file. */
interface Placed extends StoredTensor {
  readonly byteOffset: number;
}

const key = (spec: TensorSpec): string => officialName(mlxName(spec) as string);

/** Whether a folder's tensors go by MLX's names (the leading `model.` taken off). */
export const isMlx = (tensors: ReadonlyMap<string, unknown>): boolean =>
  tensors.has("embed_tokens.weight") && tensors.has("layers.0.attn.wq_a.weight");

/**
 * The tensors of an MLX folder under official names: expert e is a slice of its stack; an mxfp4 matrix is the official
 * packed FP4 seen as 32-bit words, so it is given as that; affine matrices keep their words, scales and biases.
 */
export function officialOfMlx<T extends Placed>(
  stored: ReadonlyMap<string, T>,
  config: ModelConfig,
): ReadonlyMap<string, T> {
  const used = new Set<string>();
  const tensors = new Map<string, T>();
  for (const spec of inventory(config, "none")) {
    const name = key(spec);
    const stem = name.replace(/\.weight$/, "");
    const add = (own: string, official: string): T | undefined => {
      const tensor = stored.get(own);
      if (!tensor) return undefined;
      used.add(own);
      const slice = sliceOf(tensor, spec, config);
      tensors.set(official, { ...slice, name: official });
      return slice;
    };
    // A missing tensor is the census's finding, which knows how to say it.
    const weight = add(name, spec.name);
    if (weight?.dtype !== "u32") continue;
    const official = spec.name.replace(/\.weight$/, "");
    if (stored.has(`${stem}.biases`)) {
      add(`${stem}.scales`, `${official}.scales`);
      add(`${stem}.biases`, `${official}.biases`);
      continue;
    }
    const [out, words] = weight.shape;
    tensors.set(spec.name, { ...weight, name: spec.name, dtype: "i8", shape: [out, 4 * words] });
    add(`${stem}.scales`, scaleName(spec.name));
  }
  for (const [name, tensor] of stored) if (!used.has(name)) tensors.set(name, tensor);
  return tensors;
}

function sliceOf<T extends Placed>(tensor: T, { expert }: TensorSpec, { expertCount }: ModelConfig): T {
  if (expert === undefined) return tensor;
  const [count, ...shape] = tensor.shape;
  if (tensor.shape.length !== 3 || !sameShape([count], [expertCount]))
    throw dataError({
      what: "the stack does not hold every expert",
      file: tensor.file,
      tensor: tensor.name,
      expected: `[${expertCount}, out, in]`,
      found: formatShape(tensor.shape),
    });
  const byteLength = tensor.byteLength / expertCount;
  return { ...tensor, shape, byteLength, byteOffset: tensor.byteOffset + expert * byteLength };
}
