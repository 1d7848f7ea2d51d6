import { type ImportanceEntry, type ImportanceFile, importanceFits } from "../formats/imatrix/reader.ts";
import { dataError } from "../lib/errors.ts";
import { type OutputPlan, type PlannedTensor, plannedTensors } from "../plan/output-plan.ts";
import type { Storage } from "../plan/storage.ts";
import type { Piece } from "./pieces.ts";

/** How the errors of a conversion are weighed. */
export type ImportanceMode = "none" | "weight-energy" | "imatrix";

/** Storages of 2 and 3 bits, which need to know what matters: without a measurement the energy of the weights stands in. */
const LOW_BITS: ReadonlySet<Storage> = new Set<Storage>([
  "q2_K",
  "q3_K",
  "iq2_xxs",
  "iq2_xs",
  "iq2_s",
  "iq3_xxs",
  "iq3_s",
]);

/** Storages whose encoders weigh errors at all. */
const WEIGHED: ReadonlySet<Storage> = new Set<Storage>([
  ...LOW_BITS,
  "q4_0",
  "q4_K",
  "q5_K",
  "q6_K",
  "iq4_nl",
  "iq4_xs",
  "mxfp4",
  "nvfp4",
  "nvfp4_groups",
  "int4_g32",
  "int4_g128",
  "mlx_affine4",
  "mlx_affine8",
]);

/** The file that measured, if there is one, and how many experts a stack has. */
export interface MeasuredBy {
  readonly file: ImportanceFile | undefined;
  readonly expertCount: number;
}

function importanceMode(plan: OutputPlan, file: ImportanceFile | undefined): ImportanceMode {
  if (file) return "imatrix";
  for (const { tensor } of plannedTensors(plan)) if (LOW_BITS.has(tensor.storage)) return "weight-energy";
  return "none";
}

/** Where the weights of a tensor's errors come from. */
export function importanceOf(
  { storage, parts, name, rowLength }: PlannedTensor,
  { file, expertCount }: MeasuredBy,
): ImportanceMode {
  const { spec } = parts[0].entry;
  const measured = spec.gguf;
  // The halves of a fusion see different inputs, and no file has them.
  const whole = spec.shape.at(-1) === rowLength;
  if (file && WEIGHED.has(storage) && measured && whole && file.entries.has(measured)) {
    checkEntry(file, {
      measured,
      tensor: name,
      columns: rowLength,
      matrices: spec.expert === undefined ? 1 : expertCount,
    });
    return "imatrix";
  }
  return LOW_BITS.has(storage) ? "weight-energy" : "none";
}

interface Measured extends ImportanceEntry {
  readonly measured: string;
  readonly tensor: string;
}

function checkEntry(file: ImportanceFile, { measured, tensor, columns, matrices }: Measured): void {
  const entry = file.entries.get(measured) as ImportanceEntry;
  if (importanceFits(entry, { columns, matrices })) return;
  throw dataError({
    what: "the importance file is for other shapes",
    file: file.path,
    tensor,
    expected: `${columns} columns, ${matrices} matrices for ${measured}`,
    found: `${entry.columns} columns, ${entry.matrices} matrices`,
    next: "measure it on this model",
  });
}

/** One weight per column for a piece, from the file. Undefined where no token reached this expert. */
export async function measuredImportance(
  file: ImportanceFile,
  { parts, tensor }: Piece,
): Promise<Float32Array | undefined> {
  const { spec } = parts[0].entry;
  const values = new Float32Array(tensor.rowLength);
  return (await file.read(spec.gguf as string, spec.expert ?? 0, values)) ? values : undefined;
}

/** What an artefact says of the importance it was made with. */
export interface ImportanceFacts {
  readonly mode: ImportanceMode;
  readonly sha256?: string;
  readonly datasets?: readonly string[];
}

export const importanceFacts = (plan: OutputPlan, file: ImportanceFile | undefined): ImportanceFacts => ({
  mode: importanceMode(plan, file),
  ...(file && { sha256: file.sha256, datasets: file.datasets }),
});
