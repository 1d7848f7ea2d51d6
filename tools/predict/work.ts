import type { ImportanceFile } from "../formats/imatrix/reader.ts";
import { type OutputPlan, type PlannedTensor, plannedTensors } from "../plan/output-plan.ts";
import { importanceOf } from "../quantize/importance.ts";

/** Matrices of a plan that cost the same per value: same source format, storage and passes over the source. */
export interface WorkClass {
  /** `fp4 to q2_K, weight-energy`. */
  readonly name: string;
  readonly tensors: readonly PlannedTensor[];
  readonly values: number;
}

/** The work of a plan by class, the largest first. */
export function workOf(plan: OutputPlan, file: ImportanceFile | undefined): WorkClass[] {
  const classes = new Map<string, PlannedTensor[]>();
  const { expertCount } = plan.census.config;
  for (const { tensor } of plannedTensors(plan)) {
    const importance = importanceOf(tensor, { file, expertCount });
    const name = `${tensor.parts[0].entry.format} to ${tensor.storage}${importance === "none" ? "" : `, ${importance}`}`;
    const tensors = classes.get(name);
    if (tensors) tensors.push(tensor);
    else classes.set(name, [tensor]);
  }
  return [...classes]
    .map(([name, tensors]) => ({ name, tensors, values: tensors.reduce((n, t) => n + valuesOf(t), 0) }))
    .sort((a, b) => b.values - a.values);
}

export const valuesOf = ({ rows, rowLength }: Pick<PlannedTensor, "rows" | "rowLength">): number =>
  rows * rowLength;
