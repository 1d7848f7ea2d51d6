import type { Dtype } from "../formats/dtypes.ts";
import type { CensusEntry } from "../model/census.ts";
import { type GgufPlan, type PlannedFile, sourceNames } from "../plan/gguf-plan.ts";

/**
 * What became of a source tensor. `preserved`: every value is kept exactly. `quantized`: re-encoded with loss.
 * `externalised`: in a file of its own beside the model. `dropped`: left out by an explicit flag.
 */
export type Disposition = "quantized" | "preserved" | "externalised" | "dropped";

export interface AccountedTensor {
  readonly name: string;
  readonly disposition: Disposition;
  readonly output?: string;
  readonly format?: Dtype;
}

/** Whether a conversion keeps every value by its nature; BF16 and F16 outputs are counted value by value as they are made. */
function isExact(entry: CensusEntry, dtype: Dtype, inexact: number): boolean {
  const { format } = entry;
  if (format === dtype) return inexact === 0;
  if (format === "fp4" && dtype === "mxfp4") return true;
  if (format === "i64" && dtype === "i32") return true;
  return (dtype === "f32" || dtype === "bf16" || dtype === "f16") && inexact === 0;
}

/** Lists every source tensor once. `inexact` holds, by source tensor, the values an output could not hold exactly. */
export function accountFor(plan: GgufPlan, inexact: ReadonlyMap<string, number>): AccountedTensor[] {
  const accounts = new Map<string, AccountedTensor>();
  for (const file of plan.files) {
    for (const tensor of file.tensors)
      for (const { entry } of tensor.parts) {
        const disposition = dispositionOf(entry, tensor.dtype, file, inexact.get(entry.weight.name) ?? 0);
        for (const name of sourceNames(entry))
          if (!accounts.has(name))
            accounts.set(name, { name, disposition, output: tensor.name, format: tensor.dtype });
      }
  }
  for (const name of plan.dropped) accounts.set(name, { name, disposition: "dropped" });
  return [...accounts.values()];
}

function dispositionOf(entry: CensusEntry, dtype: Dtype, file: PlannedFile, inexact: number): Disposition {
  if (file.kind === "mtp") return "externalised";
  return isExact(entry, dtype, inexact) ? "preserved" : "quantized";
}
