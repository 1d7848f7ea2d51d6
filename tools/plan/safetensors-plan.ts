import { traitsOf } from "../formats/dtypes.ts";
import { dataError, usageError } from "../lib/errors.ts";
import type { Census, CensusEntry } from "../model/census.ts";
import { checkBlocks } from "./gguf-plan.ts";
import type { MtpChoice, PlannedFile, PlannedTensor } from "./output-plan.ts";
import { type OutputFormat, type Recipe, storageFor } from "./recipe.ts";
import { type OutputTensor, type Storage, tensorBytes, tensorsOf } from "./storage.ts";

export interface SafetensorsChoice {
  readonly recipe: Recipe;
  readonly format: OutputFormat;
  readonly mtp: MtpChoice;
  /** No shard is larger, unless one matrix is. */
  readonly splitBytes: number;
}

/**
 * Plans a folder in the official layout, official names throughout: a shard for the tensors outside the layers, one per
 * layer, one per drafter block, as the releases have them; a block larger than `splitBytes` takes several.
 */
export function planSafetensorsFiles(
  census: Census,
  { recipe, format, mtp, splitBytes }: SafetensorsChoice,
): PlannedFile[] {
  if (mtp === "sidecar")
    throw usageError({
      what: "a safetensors folder carries the drafter among its tensors",
      next: "say --mtp keep, or --mtp drop",
    });
  if (mtp === "keep" && census.unrecognised.length > 0)
    throw usageError({
      what: `${census.unrecognised.length} tensors under mtp. belong to no known drafter, the first is ${census.unrecognised[0].name}`,
      next: "say --mtp drop to leave them out",
    });
  const kept = census.entries.filter(({ spec }) => mtp === "keep" || spec.block.kind !== "mtp");
  const pairs = sharedScales(kept);
  const { layerCount } = census.config;
  const blocks = new Map<string, PlannedTensor[]>();
  for (const entry of kept) {
    const { block } = entry.spec;
    const key = block.kind === "root" ? "root" : `${block.kind}.${block.index}`;
    const tensors = blocks.get(key) ?? [];
    tensors.push(planMatrix(entry, storageFor(recipe, entry, { format, layerCount }), pairs));
    blocks.set(key, tensors);
  }
  return nameShards([...blocks.values()].flatMap((tensors) => splitShards(tensors, splitBytes)));
}

function planMatrix(
  entry: CensusEntry,
  storage: Storage,
  pairs: ReadonlyMap<string, readonly CensusEntry[]>,
): PlannedTensor {
  const { name, shape } = entry.spec;
  const rowLength = shape.at(-1) as number;
  checkBlocks(name, storage, rowLength, entry);
  const scaledWith = storage === "nvfp4_groups" ? (pairs.get(name) ?? [entry]) : undefined;
  return {
    name,
    storage,
    outputs: storage === "source" ? storedAs(entry) : tensorsOf(storage, name, shape),
    rows: shape.length === 1 ? 1 : shape[0],
    rowLength,
    parts: [{ entry, rowStart: 0, columnStart: 0 }],
    ...(scaledWith && { scaledWith }),
  };
}

/** The tensors of an entry as the source stores them. */
function storedAs(entry: CensusEntry): OutputTensor[] {
  const { weight, scale, companions } = entry;
  if (companions.length > 0 || traitsOf(weight.dtype).safetensors === undefined)
    throw dataError({
      what: `${entry.format} cannot be kept as it is in this format`,
      file: weight.file,
      tensor: weight.name,
      next: "choose a recipe that stores it anew, such as bf16-safetensors",
    });
  const codes: OutputTensor = { ...facts(weight), piece: "codes", rowsPerUnit: 1 };
  if (!scale) return [codes];
  return [codes, { ...facts(scale.tensor), piece: "scales", rowsPerUnit: scale.blockRows }];
}

const facts = ({ name, dtype, shape }: CensusEntry["weight"]) => ({ name, dtype, shape });

/** w1 and w3 of one expert are one matrix to the engines, which give it one scale over the whole. */
function sharedScales(entries: readonly CensusEntry[]): ReadonlyMap<string, readonly CensusEntry[]> {
  const byName = new Map(entries.map((entry) => [entry.spec.name, entry]));
  const pairs = new Map<string, readonly CensusEntry[]>();
  for (const [name, entry] of byName) {
    if (entry.spec.role !== "expert" || entry.spec.part === "w2") continue;
    const twin = byName.get(name.replace(/\.w[13]\./, entry.spec.part === "w1" ? ".w3." : ".w1."));
    if (twin) pairs.set(name, entry.spec.part === "w1" ? [entry, twin] : [twin, entry]);
  }
  return pairs;
}

/** Cuts a block's tensors into shards; a matrix stays with its scales. */
export function splitShards(tensors: readonly PlannedTensor[], splitBytes: number): PlannedTensor[][] {
  const shards: PlannedTensor[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const byteLength = tensor.outputs.reduce((sum, output) => sum + tensorBytes(output), 0);
    if (shards.length === 0 || byteLength > room) {
      shards.push([]);
      room = splitBytes;
    }
    shards[shards.length - 1].push(tensor);
    room -= byteLength;
  }
  return shards;
}

export function nameShards(shards: readonly (readonly PlannedTensor[])[]): PlannedFile[] {
  const five = (n: number): string => String(n).padStart(5, "0");
  return shards.map((tensors, i) => ({
    kind: "model",
    name: `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`,
    tensors,
  }));
}
