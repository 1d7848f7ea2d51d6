import { usageError } from "../lib/errors.ts";
import { generateCheckpoint } from "./generate-checkpoint.ts";
import { FLASH_LAYER_DIMS, type GeneratedDims, TINY_DIMS } from "./generate-config.ts";

export interface GenerateFlags {
  readonly folder: string;
  readonly preset: "tiny" | "flash-layer";
  readonly storage: "official" | "base" | "f32";
  readonly seed: number;
  /** `name=value` pairs over the preset's dimensions. */
  readonly set: readonly string[];
}

/** Generates a checkpoint from a preset and changes to it; returns the dimensions used. */
export async function generateFromFlags({
  folder,
  preset,
  storage,
  seed,
  set,
}: GenerateFlags): Promise<GeneratedDims> {
  const base = preset === "tiny" ? TINY_DIMS : FLASH_LAYER_DIMS;
  const changes = set.map((pair) => {
    const [name, value] = pair.split("=");
    if (!(name in base) || !Number.isSafeInteger(Number(value)))
      throw usageError({
        what: `--set ${pair} names no dimension`,
        expected: `NAME=INTEGER with NAME one of ${Object.keys(base).join(", ")}`,
      });
    return [name, Number(value)] as const;
  });
  const dims = { ...base, ...Object.fromEntries(changes) } as GeneratedDims;
  await generateCheckpoint({ folder, dims, seed, storage });
  return dims;
}
