import { byteLengthOf, type Dtype } from "../../tools/formats/dtypes.ts";
import { scaleName } from "../../tools/model/census.ts";
import type { ModelConfig } from "../../tools/model/config.ts";
import { type Drafter, inventory } from "../../tools/model/inventory.ts";
import type { StoredTensor } from "../../tools/model/stored-tensor.ts";

/** The headers of a release, made from its configuration alone: what a census of it must digest. */
export function releaseHeaders(
  config: ModelConfig,
  drafter: Drafter,
  storage: "official" | "base",
): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  const add = (name: string, dtype: Dtype, shape: readonly number[]): void => {
    tensors.set(name, {
      name,
      dtype,
      shape,
      byteLength: byteLengthOf(
        dtype,
        shape.reduce((a, b) => a * b, 1),
      ),
      file: "shard",
    });
  };
  for (const { name, storage: kind, shape } of inventory(config, drafter)) {
    const [out, in_] = shape;
    if (kind === "table") add(name, "i64", shape);
    else if (kind === "f32") add(name, "f32", shape);
    else if (kind === "float") add(name, "bf16", shape);
    else if (kind === "expert" && storage === "official") {
      add(name, "i8", [out, in_ / 2]);
      add(scaleName(name), "F8_E8M0", [out, in_ / 32]);
    } else {
      add(name, "F8_E4M3", shape);
      add(scaleName(name), storage === "base" ? "f32" : "F8_E8M0", [
        Math.ceil(out / 128),
        Math.ceil(in_ / 128),
      ]);
    }
  }
  return tensors;
}
