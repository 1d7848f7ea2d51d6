import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { FLASH_LAYER_DIMS, type GeneratedDims } from "../../tools/demo/generate-config.ts";
import { shippedRecipes } from "../../tools/plan/recipe.ts";
import { cliCommand } from "../support/cli.ts";

/**
 * Peak resident memory of conversions. As a script it takes tensors of Pro's shapes (fewer experts and layers, which the
 * peak does not see) through every recipe with 8 workers and prints CSV:
 *
 *   npx tsx test/bench/quantize-memory.ts SCRATCH
 */
export interface MemoryRun {
  readonly checkpoint: string;
  /** Folder for the output, which is removed again. */
  readonly scratch: string;
  readonly recipe: string;
  readonly workers: number;
}

/** Converts, and returns the process's peak resident memory (Linux). */
export async function measureMemory({ checkpoint, scratch, recipe, workers }: MemoryRun): Promise<number> {
  const format = shippedRecipes().find(({ name }) => name === recipe)?.formats[0] ?? "gguf";
  const out = join(scratch, format.endsWith("gguf") ? "peak.gguf" : "peak");
  const [command, ...args] = cliCommand([
    ...["quantize", checkpoint, "--recipe", recipe, "--out", out, "--workers", String(workers)],
    ...["--allow-larger", "--quiet"],
  ]);
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  let peakBytes = 0;
  // VmHWM is the kernel's own high-water mark: sampling cannot miss a peak except one in the last moments.
  const timer = setInterval(() => {
    const status = readStatus(child.pid);
    peakBytes = Math.max(peakBytes, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearInterval(timer);
  for (const path of [out, join(scratch, "mtp-peak.gguf"), join(scratch, "peak.v4kit")])
    rmSync(path, { recursive: true, force: true });
  if (code !== 0) throw new Error(`quantize --recipe ${recipe} ended with ${code}`);
  return peakBytes;
}

function readStatus(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

const PRO_SHAPES: GeneratedDims = {
  ...FLASH_LAYER_DIMS,
  hiddenSize: 7168,
  layerCount: 2,
  headCount: 128,
  qLoraRank: 1536,
  outputGroups: 16,
  expertCount: 16,
  expertWidth: 3072,
  indexerTopK: 1024,
  vocabSize: 129_280,
  mtpBlocks: 1,
};

if (process.argv[1]?.endsWith("quantize-memory.ts")) {
  const scratch = process.argv[2];
  const checkpoint = join(scratch, "pro-shapes");
  await generateCheckpoint({ folder: checkpoint, dims: PRO_SHAPES, seed: 1, storage: "official" });
  console.log("recipe,workers,peak_mib");
  for (const { name: recipe } of shippedRecipes()) {
    const peakBytes = await measureMemory({ checkpoint, scratch, recipe, workers: 8 });
    console.log(`${recipe},8,${Math.round(peakBytes / 2 ** 20)}`);
  }
  rmSync(checkpoint, { recursive: true });
}
