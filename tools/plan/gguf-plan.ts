import { type Dtype, traitsOf } from "../formats/dtypes.ts";
import type { GgufTensor } from "../formats/gguf/layout.ts";
import { dataError, usageError } from "../lib/errors.ts";
import { formatShape } from "../lib/shape.ts";
import { type Census, type CensusEntry, storedTensors } from "../model/census.ts";
import { formatFor, type Recipe } from "./recipe.ts";

/** What happens to the drafter block: its own file beside the model, or left out because the user said so. */
export type MtpChoice = "sidecar" | "drop";

/** Where one source tensor goes inside an output tensor, in rows and columns of the output. */
export interface PlannedPart {
  readonly entry: CensusEntry;
  readonly rowStart: number;
  readonly columnStart: number;
}

/** One output tensor seen as rows: `rows` rows of `rowLength` values, made of one or more source tensors. */
export interface PlannedTensor extends GgufTensor {
  readonly rows: number;
  readonly rowLength: number;
  readonly parts: readonly PlannedPart[];
}

export interface PlannedFile {
  readonly kind: "model" | "mtp";
  readonly tensors: readonly PlannedTensor[];
}

/** Which output every source tensor goes to, in which format. Pure data: made from headers and a recipe. */
export interface GgufPlan {
  readonly recipe: Recipe;
  readonly files: readonly PlannedFile[];
  /** Source tensors left out by an explicit choice. */
  readonly dropped: readonly string[];
}

/** Plans the GGUF files of a checkpoint: the model, and the MTP block as a sidecar where there is one. */
export function planGguf(census: Census, recipe: Recipe, mtp: MtpChoice): GgufPlan {
  const trunk = census.entries.filter(({ spec }) => spec.block.kind !== "mtp");
  const drafter = census.entries.filter(({ spec }) => spec.block.kind === "mtp");
  const files: PlannedFile[] = [{ kind: "model", tensors: planTensors(trunk, recipe) }];
  if (mtp === "sidecar") {
    refuseUnwritableDrafter(census);
    if (drafter.length > 0) {
      // A sidecar is loaded beside the model but owns its embedding, norm and head; the root mHC names hold its own.
      const shared = trunk.filter(({ spec }) =>
        ["embed.weight", "norm.weight", "head.weight"].includes(spec.name),
      );
      files.push({ kind: "mtp", tensors: planTensors([...shared, ...drafter], recipe) });
    }
    return { recipe, files, dropped: [] };
  }
  const dropped = [...drafter.flatMap(sourceNames), ...census.unrecognised.map(({ name }) => name)];
  return { recipe, files, dropped };
}

/** The stored tensors that an entry stands for. */
export const sourceNames = (entry: CensusEntry): string[] => storedTensors(entry).map(({ name }) => name);

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

function planTensors(entries: readonly CensusEntry[], recipe: Recipe): PlannedTensor[] {
  const stacks = new Map<string, CensusEntry[]>();
  for (const entry of entries) {
    const name = entry.spec.gguf as string;
    const stack = stacks.get(name);
    if (stack) stack.push(entry);
    else stacks.set(name, [entry]);
  }
  return [...stacks].map(([name, stack]) => planTensor(name, stack, recipe));
}

function planTensor(name: string, stack: readonly CensusEntry[], recipe: Recipe): PlannedTensor {
  const [first] = stack;
  const { shape, role, expert } = first.spec;
  const dtype = formatFor(recipe, first);
  const mixed = stack.find((entry) => formatFor(recipe, entry) !== dtype);
  if (mixed)
    throw dataError({
      what: "the experts of one stack are stored in different formats, so the recipe gives them different ones",
      tensor: mixed.spec.name,
      expected: `${first.format} as ${first.spec.name}`,
      found: mixed.format,
    });
  const fused = role === "mtp";
  const width = shape.at(-1) as number;
  const rowsEach = shape.length === 1 ? 1 : shape[0];
  const rowLength = fused ? width * stack.length : width;
  checkBlocks(name, dtype, rowLength, first);
  const ne = fused ? [rowLength, rowsEach] : [...shape].reverse();
  return {
    name,
    dtype,
    ne: expert === undefined ? ne : [...ne, stack.length],
    rows: fused ? rowsEach : rowsEach * stack.length,
    rowLength,
    parts: stack.map((entry, i) => ({
      entry,
      rowStart: fused ? 0 : i * rowsEach,
      columnStart: fused ? i * width : 0,
    })),
  };
}

function checkBlocks(name: string, dtype: Dtype, rowLength: number, entry: CensusEntry): void {
  const { blockLength } = traitsOf(dtype);
  if (rowLength % blockLength !== 0)
    throw dataError({
      what: `rows of ${rowLength} values do not divide into ${dtype} blocks`,
      tensor: name,
      expected: `a multiple of ${blockLength}`,
      found: formatShape(entry.spec.shape),
    });
  if (dtype === "mxfp4" && entry.format === "fp4" && entry.scale?.blockCols !== blockLength)
    throw dataError({
      what: "the FP4 groups do not fit MXFP4 blocks",
      tensor: entry.spec.name,
      expected: `groups of ${blockLength}`,
      found: `groups of ${entry.scale?.blockCols}`,
    });
}
