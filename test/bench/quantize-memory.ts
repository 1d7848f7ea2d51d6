import { spawn } from "node:child_process";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { generateCheckpoint } from "../../tools/demo/generate-checkpoint.ts";
import { FLASH_LAYER_DIMS } from "../../tools/demo/generate-config.ts";
import { cliCommand } from "../support/cli.ts";
import { shardPaths } from "../support/shards.ts";

/** Converts a generated checkpoint with Flash's layer shapes and returns the process's peak resident memory (Linux). */
export async function measureMemory(folder: string, workers: number) {
  await generateCheckpoint({ folder, dims: FLASH_LAYER_DIMS, seed: 1, storage: "official" });
  const sourceBytes = shardPaths(folder).reduce((sum, path) => sum + statSync(path).size, 0);
  const out = join(folder, "out.gguf");
  const [command, ...args] = cliCommand([
    "quantize",
    folder,
    "--bits",
    "4",
    "--out",
    out,
    "--workers",
    String(workers),
    "--json",
  ]);
  const startedMs = Date.now();
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  let peakBytes = 0;
  // VmHWM is the kernel's own high-water mark: sampling cannot miss a peak except one in the last moments.
  const timer = setInterval(() => {
    const status = readStatus(child.pid);
    peakBytes = Math.max(peakBytes, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  clearInterval(timer);
  const elapsedMs = Date.now() - startedMs;
  rmSync(folder, { recursive: true });
  if (code !== 0) throw new Error(`quantize ended with ${code}`);
  return { sourceBytes, peakBytes, elapsedMs };
}

function readStatus(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}
