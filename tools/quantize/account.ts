import type { CensusEntry } from "../model/census.ts";
import { exactness } from "../plan/exactness.ts";
import { type OutputPlan, type PlannedFile, plannedTensors, sourceNames } from "../plan/output-plan.ts";
import type { Storage } from "../plan/storage.ts";

/**
 * What became of a source tensor. `preserved`: every value is kept exactly. `quantized`: re-encoded with loss.
 * `externalised`: in a file of its own beside the model. `dropped`: left out by an explicit flag.
 */
export type Disposition = "quantized" | "preserved" | "externalised" | "dropped";

export interface AccountedTensor {
  readonly name: string;
  readonly disposition: Disposition;
  readonly output?: string;
  readonly format?: Storage;
}

/** Lists every source tensor once. `changed` holds, by source tensor, the values an output could not hold exactly. */
export function accountFor(plan: OutputPlan, changed: ReadonlyMap<string, number>): AccountedTensor[] {
  const accounts = new Map<string, AccountedTensor>();
  for (const { file, tensor } of plannedTensors(plan))
    for (const { entry } of tensor.parts) {
      const disposition = dispositionOf(entry, tensor.storage, file, changed.get(entry.weight.name) ?? 0);
      for (const name of sourceNames(entry))
        if (!accounts.has(name))
          accounts.set(name, { name, disposition, output: tensor.name, format: tensor.storage });
    }
  for (const name of plan.dropped) accounts.set(name, { name, disposition: "dropped" });
  return [...accounts.values()];
}

function dispositionOf(
  entry: CensusEntry,
  storage: Storage,
  file: PlannedFile,
  changed: number,
): Disposition {
  if (file.kind === "mtp") return "externalised";
  return exactness(entry.format, storage) !== "lossy" && changed === 0 ? "preserved" : "quantized";
}

export function countDispositions(accounts: readonly AccountedTensor[]): Record<Disposition, number> {
  const counts: Record<Disposition, number> = { quantized: 0, preserved: 0, externalised: 0, dropped: 0 };
  for (const { disposition } of accounts) counts[disposition]++;
  return counts;
}
