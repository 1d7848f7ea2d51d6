import type { CertifiedClass, Manifest } from "../artefact/manifest-file.ts";
import type { TensorRole } from "../model/inventory.ts";
import { type OutputPlan, type PlannedFile, plannedTensors } from "../plan/output-plan.ts";
import { type Storage, tensorBytes } from "../plan/storage.ts";
import { type AccountedTensor, accountFor, countDispositions, type Disposition } from "./account.ts";
import type { PieceRecord } from "./journal.ts";
import { changedBySource } from "./manifest.ts";
import type { Stage } from "./quantize.ts";

/** Output tensors of one role and storage, added up. */
export interface OutputClass {
  readonly role: TensorRole;
  readonly file: PlannedFile["kind"];
  readonly from: string;
  readonly to: Storage;
  readonly tensors: number;
  readonly byteLength: number;
}

export interface QuantizeResult {
  readonly status: "done" | "up to date" | "dry run";
  readonly recipe: string;
  readonly format: string;
  /** The model first. */
  readonly outputs: readonly { readonly path: string; readonly byteLength: number }[];
  /** What engines are given: the first file, or the folder. */
  readonly out: string;
  readonly sidecar: string;
  readonly source: { readonly path: string; readonly byteLength: number; readonly tensors: number };
  readonly bitsPerWeight: number;
  readonly importance: string;
  readonly elapsedMs: number;
  /** Pieces that an earlier run had finished. */
  readonly resumed: number;
  readonly dispositions: Readonly<Record<Disposition, number>>;
  readonly classes: readonly OutputClass[];
  readonly certificate: readonly CertifiedClass[];
  readonly digest?: string;
  /** Every tensor of the source, once. */
  readonly tensors: readonly AccountedTensor[];
}

export interface Outcome {
  readonly status: QuantizeResult["status"];
  readonly records: ReadonlyMap<number, PieceRecord>;
  readonly manifest?: Manifest;
  readonly resumed: number;
}

export function describeResult(
  { source, plan, files, place, facts, startedMs }: Stage,
  { status, records, manifest, resumed }: Outcome,
): QuantizeResult {
  const tensors = accountFor(plan, changedBySource(files, records));
  const weights = plan.census.entries
    .filter(({ spec }) => spec.block.kind !== "mtp" && spec.role !== "tid2eid")
    .reduce((sum, { spec }) => sum + spec.shape.reduce((product, dimension) => product * dimension, 1), 0);
  const modelBytes = files
    .filter(({ file }) => file.kind === "model")
    .reduce((sum, { byteLength }) => sum + byteLength, 0);
  return {
    status,
    recipe: `${plan.recipe.name}@${plan.recipe.version}`,
    format: plan.format,
    outputs: files.map(({ byteLength }, i) => ({ path: place.files[i].final, byteLength })),
    out: place.out,
    sidecar: place.sidecar,
    source: {
      path: source.location,
      byteLength: [...source.tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0),
      tensors: source.tensors.size,
    },
    bitsPerWeight: (8 * modelBytes) / weights,
    importance: facts.mode,
    elapsedMs: Date.now() - startedMs,
    resumed,
    dispositions: countDispositions(tensors),
    classes: classesOf(plan),
    certificate: manifest?.certificate ?? [],
    ...(manifest && { digest: manifest.digest }),
    tensors,
  };
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
