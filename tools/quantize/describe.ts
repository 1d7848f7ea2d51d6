import type { CertifiedClass, Manifest } from "../artefact/manifest-file.ts";
import { bitsPerWeight, classesOf, type OutputClass } from "../plan/output-classes.ts";
import { type AccountedTensor, accountFor, countDispositions, type Disposition } from "./account.ts";
import type { PieceRecord } from "./journal.ts";
import { changedBySource } from "./manifest.ts";
import type { Stage } from "./quantize.ts";
import type { StreamFacts } from "./stream.ts";

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
  /** Set where the source, or a part of it in an earlier run, was read from elsewhere. */
  readonly streamed?: NonNullable<Manifest["provenance"]["streamed"]> & Partial<StreamFacts>;
  /** Every tensor of the source, once. */
  readonly tensors: readonly AccountedTensor[];
}

export interface Outcome {
  readonly status: QuantizeResult["status"];
  readonly records: ReadonlyMap<number, PieceRecord>;
  readonly manifest?: Manifest;
  readonly resumed: number;
  readonly streamed?: StreamFacts;
}

export function describeResult(
  { source, plan, files, place, facts, startedMs }: Stage,
  { status, records, manifest, resumed, streamed }: Outcome,
): QuantizeResult {
  const proof = manifest?.provenance.streamed;
  const tensors = accountFor(plan, changedBySource(files, records));
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
    bitsPerWeight: bitsPerWeight(plan, files),
    importance: facts.mode,
    elapsedMs: Date.now() - startedMs,
    resumed,
    dispositions: countDispositions(tensors),
    classes: classesOf(plan),
    certificate: manifest?.certificate ?? [],
    ...(manifest && { digest: manifest.digest }),
    ...(proof && { streamed: { ...proof, ...streamed } }),
    tensors,
  };
}
