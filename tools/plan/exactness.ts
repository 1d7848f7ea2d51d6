import { byteLengthOf, isDtype } from "../formats/dtypes.ts";
import { usageError } from "../lib/errors.ts";
import { elementCount } from "../lib/shape.ts";
import { formatBytes } from "../lib/units.ts";
import type { CensusEntry, SourceFormat } from "../model/census.ts";
import { type OutputPlan, type PlannedTensor, plannedTensors } from "./output-plan.ts";
import { isGguf, type OutputFormat } from "./recipe.ts";
import { type Storage, tensorBytes } from "./storage.ts";

/**
 * Whether a storage can hold the values of a source format exactly. `checked`: it can where the scales of a tensor lie
 * close enough together, and the conversion counts every value that changed.
 */
export function exactness(source: SourceFormat, storage: Storage): "always" | "checked" | "lossy" {
  if (storage === "source" || storage === source || storage === "f32") return "always";
  switch (source) {
    case "fp4":
      if (storage === "mxfp4" || storage === "mlx_mxfp4") return "always";
      return ["nvfp4_groups", "fp8_f32", "fp8", "bf16", "f16"].includes(storage) ? "checked" : "lossy";
    case "mxfp4":
      return storage === "fp4" || storage === "mlx_mxfp4" ? "always" : checkedFloat(storage);
    case "fp8":
      return storage === "fp8_f32" ? "checked" : checkedFloat(storage);
    case "i64":
      return storage === "i32" ? "always" : "lossy";
    default:
      return checkedFloat(storage);
  }
}

const checkedFloat = (storage: Storage) => (storage === "bf16" || storage === "f16" ? "checked" : "lossy");

/** The storage that would keep a source format bit for bit in an output format, or undefined where none can. */
function passThrough(format: OutputFormat, source: SourceFormat): Storage | undefined {
  if (source === "fp4" || source === "mxfp4") {
    if (format === "gguf") return "mxfp4";
    if (format === "mlx") return "mlx_mxfp4";
    return format === "native" ? "fp4" : undefined;
  }
  if (source === "bf16" || source === "f16" || source === "f32") return source;
  return isGguf(format) && isDtype(source) ? source : undefined;
}

/** Refuses a tensor that would become larger and also worse than it would be passed through. */
export function refuseLarger(plan: OutputPlan): void {
  for (const { tensor } of plannedTensors(plan)) {
    const [{ entry }] = tensor.parts;
    const found = largerAndWorse(plan.format, tensor, entry);
    if (found)
      throw usageError({
        what: `recipe ${plan.recipe.name} would make ${entry.spec.role} tensors larger and also worse than passing them through`,
        tensor: entry.spec.name,
        expected: `at most ${formatBytes(found.kept)}, as ${found.storage}`,
        found: `${formatBytes(found.made)} as ${tensor.storage}`,
        next: "choose another recipe, or say --allow-larger",
      });
  }
}

function largerAndWorse(format: OutputFormat, tensor: PlannedTensor, entry: CensusEntry) {
  if (exactness(entry.format, tensor.storage) !== "lossy") return undefined;
  const storage = passThrough(format, entry.format);
  if (storage === undefined || storage === "source") return undefined;
  const values = tensor.rows * tensor.rowLength;
  const made = tensor.outputs.reduce((sum, output) => sum + tensorBytes(output), 0);
  // FP4 has 4.25 bits whatever its container.
  const kept = ["fp4", "mxfp4", "mlx_mxfp4"].includes(storage)
    ? (values * 17) / 32
    : byteLengthOf(storage as SourceFormat & "bf16", elementCount([tensor.rows, tensor.rowLength]) as number);
  return made > kept ? { made, kept, storage } : undefined;
}
