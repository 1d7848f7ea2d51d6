import type { SourceFormat } from "../model/census.ts";
import type { TensorRole } from "../model/inventory.ts";
import { type OutputPlan, type PlannedFile, plannedTensors } from "./output-plan.ts";
import { type Storage, tensorBytes } from "./storage.ts";

/** Output tensors of one role and storage, added up. */
export interface OutputClass {
  readonly role: TensorRole;
  readonly file: PlannedFile["kind"];
  readonly from: SourceFormat;
  readonly to: Storage;
  readonly tensors: number;
  readonly byteLength: number;
}

export function classesOf(plan: OutputPlan): OutputClass[] {
  const classes = new Map<string, { -readonly [K in keyof OutputClass]: OutputClass[K] }>();
  for (const { file, tensor } of plannedTensors(plan)) {
    const { spec, format: from } = tensor.parts[0].entry;
    const key = `${spec.role}/${from}/${tensor.storage}/${file.kind}`;
    const sum = classes.get(key) ?? {
      role: spec.role,
      file: file.kind,
      from,
      to: tensor.storage,
      tensors: 0,
      byteLength: 0,
    };
    sum.tensors++;
    sum.byteLength += tensor.outputs.reduce((bytes, output) => bytes + tensorBytes(output), 0);
    classes.set(key, sum);
  }
  return [...classes.values()];
}

/** Bits of the model's own files, headers included, for each weight of the trunk. */
export function bitsPerWeight(
  { census }: OutputPlan,
  files: readonly { readonly file: PlannedFile; readonly byteLength: number }[],
): number {
  const weights = census.entries
    .filter(({ spec }) => spec.block.kind !== "mtp" && spec.role !== "tid2eid")
    .reduce((sum, { spec }) => sum + spec.shape.reduce((product, dimension) => product * dimension, 1), 0);
  const bytes = files
    .filter(({ file }) => file.kind === "model")
    .reduce((sum, { byteLength }) => sum + byteLength, 0);
  return (8 * bytes) / weights;
}
