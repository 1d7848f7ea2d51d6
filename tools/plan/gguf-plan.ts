import { dataError, usageError } from "../lib/errors.ts";
import { formatShape } from "../lib/shape.ts";
import type { Census, CensusEntry } from "../model/census.ts";
import { ds4DrafterName } from "../model/ds4-names.ts";
import type { MtpChoice, PlannedFile, PlannedTensor } from "./output-plan.ts";
import { type OutputFormat, type Placement, type Recipe, storageFor } from "./recipe.ts";
import { columnUnit, isScaled, type Storage, tensorsOf } from "./storage.ts";

export interface GgufChoice {
  readonly recipe: Recipe;
  readonly format: OutputFormat;
  readonly mtp: MtpChoice;
}

/** A tensor's name in the file it goes to. */
type NameOf = (entry: CensusEntry) => string;

/** Plans the GGUF files of a checkpoint: the model, and the MTP block as a sidecar where there is one. */
export function planGgufFiles(census: Census, { recipe, format, mtp }: GgufChoice): PlannedFile[] {
  const trunk = census.entries.filter(({ spec }) => spec.block.kind !== "mtp");
  const drafter = census.entries.filter(({ spec }) => spec.block.kind === "mtp");
  const { layerCount } = census.config;
  const plan = (entries: readonly CensusEntry[], nameOf: NameOf): PlannedTensor[] =>
    stacksOf(entries, nameOf).map(([name, stack]) => planTensor(name, stack, { recipe, format, layerCount }));
  const ggufName: NameOf = ({ spec }) => spec.gguf as string;
  const files: PlannedFile[] = [{ kind: "model", name: "model.gguf", tensors: plan(trunk, ggufName) }];
  if (mtp === "keep")
    throw usageError({
      what: "a GGUF names one head collapse (output_hc_*), the model's: the drafter's own would be lost",
      next: "say --mtp sidecar for a file of its own, or --mtp drop",
    });
  if (mtp === "drop") return files;
  refuseUnwritableDrafter(census);
  if (drafter.length === 0) return files;
  // llama.cpp's sidecar is loaded beside the model but owns its embedding, norm and head; its root mHC names hold the
  // drafter's. ds4's has the drafter alone, under mtp.0.
  const shared = trunk.filter(({ spec }) =>
    ["embed.weight", "norm.weight", "head.weight"].includes(spec.name),
  );
  const tensors =
    format === "ds4-gguf" ? plan(drafter, ds4DrafterName) : plan([...shared, ...drafter], ggufName);
  return [...files, { kind: "mtp", name: "mtp.gguf", tensors }];
}

function refuseUnwritableDrafter(census: Census): void {
  if (census.drafter === "dspark")
    throw usageError({
      what: "this release carries a DSpark drafter (mtp.0 to mtp.2), which llama.cpp's deepseek4 GGUF cannot hold",
      next: "say --mtp drop to leave it out",
    });
  const [unknown] = census.unrecognised;
  if (unknown)
    throw usageError({
      what: `${census.unrecognised.length} tensors under mtp. belong to no known drafter, the first is ${unknown.name}`,
      next: "say --mtp drop to leave them out",
    });
}

/** Entries of one name in ascending order of experts: a stack, or the halves of a fusion. */
export function stacksOf(entries: readonly CensusEntry[], nameOf: NameOf): [string, CensusEntry[]][] {
  const stacks = new Map<string, CensusEntry[]>();
  for (const entry of entries) {
    const name = nameOf(entry);
    const stack = stacks.get(name);
    if (stack) stack.push(entry);
    else stacks.set(name, [entry]);
  }
  return [...stacks];
}

interface TensorChoice extends Placement {
  readonly recipe: Recipe;
}

/** One matrix made of a stack of experts (along a new first axis), of the halves of a fusion (along columns), or of one tensor. */
export function planTensor(
  name: string,
  stack: readonly CensusEntry[],
  { recipe, ...placement }: TensorChoice,
): PlannedTensor {
  const [first] = stack;
  const { shape, expert } = first.spec;
  const storage = storageFor(recipe, first, placement);
  if (storage === "source")
    throw dataError({
      what: `recipe ${recipe.name} keeps a tensor as it is stored, which a stack of experts or a GGUF cannot`,
      tensor: first.spec.name,
    });
  const fused = expert === undefined && stack.length > 1;
  const width = shape.at(-1) as number;
  const rowsEach = shape.length === 1 ? 1 : shape[0];
  const rowLength = fused ? width * stack.length : width;
  checkBlocks(name, storage, rowLength, first);
  const own = fused ? [rowsEach, rowLength] : shape;
  return {
    name,
    storage,
    outputs: tensorsOf(storage, name, expert === undefined ? own : [stack.length, ...own]),
    rows: fused ? rowsEach : rowsEach * stack.length,
    rowLength,
    parts: stack.map((entry, i) => ({
      entry,
      rowStart: fused ? 0 : i * rowsEach,
      columnStart: fused ? i * width : 0,
    })),
  };
}

export function checkBlocks(name: string, storage: Storage, rowLength: number, entry: CensusEntry): void {
  const unit = columnUnit(storage);
  if (rowLength % unit !== 0)
    throw dataError({
      what: `rows of ${rowLength} values do not divide into ${storage} ${isScaled(storage) ? "groups" : "blocks"}`,
      tensor: name,
      expected: `a multiple of ${unit}`,
      found: formatShape(entry.spec.shape),
    });
  const group = entry.format === "fp4" ? entry.scale?.blockCols : undefined;
  if ((storage === "mxfp4" || storage === "mlx_mxfp4") && group !== undefined && group !== 32)
    throw dataError({
      what: "the FP4 groups do not fit MXFP4 blocks",
      tensor: entry.spec.name,
      expected: "groups of 32",
      found: `groups of ${group}`,
    });
}
