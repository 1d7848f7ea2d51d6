import { createHash } from "node:crypto";
import { type Census, type CensusEntry, storedTensors } from "../model/census.ts";
import type { OutputFormat, Recipe } from "./recipe.ts";
import type { OutputTensor, Storage } from "./storage.ts";

/** What happens to the drafter block: a file of its own, kept among the others, or left out because the user said so. */
export type MtpChoice = "sidecar" | "keep" | "drop";

/** Where one source tensor goes inside a matrix that is stored, in rows and columns of that matrix. */
export interface PlannedPart {
  readonly entry: CensusEntry;
  readonly rowStart: number;
  readonly columnStart: number;
}

/** A matrix to be stored, seen as `rows` rows of `rowLength` values: made of source tensors, stored as `outputs`. */
export interface PlannedTensor {
  readonly name: string;
  readonly storage: Storage;
  readonly outputs: readonly OutputTensor[];
  readonly rows: number;
  readonly rowLength: number;
  readonly parts: readonly PlannedPart[];
  /** The source tensors that decide a scale over the whole matrix, where the storage has one. */
  readonly scaledWith?: readonly CensusEntry[];
}

/** A file of the artefact. `name` is relative to the artefact's place. */
export interface PlannedFile {
  readonly kind: "model" | "mtp";
  readonly name: string;
  readonly tensors: readonly PlannedTensor[];
  /** Number and count of a split GGUF's files. */
  readonly split?: { readonly number: number; readonly count: number };
}

/** Which output every source tensor goes to, and how it is stored. Pure data: made from headers and a recipe. */
export interface OutputPlan {
  readonly recipe: Recipe;
  readonly format: OutputFormat;
  readonly mtp: MtpChoice;
  readonly files: readonly PlannedFile[];
  /** Source tensors left out by an explicit choice. */
  readonly dropped: readonly string[];
  readonly census: Census;
}

/** The stored tensors that an entry stands for. */
export const sourceNames = (entry: CensusEntry): string[] => storedTensors(entry).map(({ name }) => name);

/** Every matrix of a plan with its file. */
export function* plannedTensors(plan: OutputPlan): Generator<{ file: PlannedFile; tensor: PlannedTensor }> {
  for (const file of plan.files) for (const tensor of file.tensors) yield { file, tensor };
}

/** A digest of everything that decides the bytes, apart from the source's values: files, tensors, storage, order. */
export function planFingerprint(plan: OutputPlan): string {
  const hash = createHash("sha256");
  const { recipe, format, mtp } = plan;
  hash.update(JSON.stringify([recipe.name, recipe.version, format, mtp, plan.dropped.length]));
  for (const { file, tensor } of plannedTensors(plan)) {
    const outputs = tensor.outputs.map(({ name, dtype, shape }) => [name, dtype, shape]);
    const parts = tensor.parts.map(({ entry, rowStart, columnStart }) => [
      entry.weight.name,
      entry.format,
      rowStart,
      columnStart,
    ]);
    hash.update(JSON.stringify([file.name, tensor.storage, outputs, parts]));
  }
  return hash.digest("hex");
}
