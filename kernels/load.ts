import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KernelSetName, Kernels } from "./kernels.ts";
import { loadNative, type NativeKernels } from "./native.ts";
import { scalar } from "./scalar/index.ts";

/** Thrown when `V4KIT_KERNELS` names a set that this machine or this build does not have. */
export class KernelsUnavailable extends Error {}

export interface KernelChoice {
  readonly kernels: Kernels;
  /** Every set that runs here, slowest first. */
  readonly available: readonly Kernels[];
  /** The compiled addon, if there is one. */
  readonly native?: NativeKernels;
  /** One line for people when the slow twins run for want of an addon; whoever talks to people prints it. */
  readonly warning?: string;
}

/** Slowest first: the order in which sets are preferred is the reverse. */
const ORDER: readonly KernelSetName[] = ["scalar", "plain", "neon", "avx2", "avx512", "cuda"];

/** Beside the compiled JavaScript; or in dist/ when this file runs from its source. */
function addonPath(): string | undefined {
  const here = dirname(fileURLToPath(import.meta.url));
  const name = "v4kit-kernels.node";
  return [join(here, name), join(here, "..", "dist", "kernels", name)].find((path) => existsSync(path));
}

function findNative(threads: number): { native?: NativeKernels; problem?: string } {
  const path = addonPath();
  if (!path) return { problem: "no compiled kernels (a C compiler and `make build` make them)" };
  try {
    return { native: loadNative(path, threads) };
  } catch (error) {
    return { problem: `compiled kernels do not load: ${(error as Error).message.split("\n")[0]}` };
  }
}

/**
 * The kernel set that `forced` names, else the fastest that runs here, with what else a caller may want to say. With
 * more than one thread its products and attention share them out; no result depends on it.
 */
export function chooseKernels(
  forced: string | undefined = process.env.V4KIT_KERNELS,
  threads = 1,
): KernelChoice {
  const { native, problem } = findNative(threads);
  const available = [scalar, ...(native?.sets ?? [])].sort(
    (a, b) => ORDER.indexOf(a.set) - ORDER.indexOf(b.set),
  );
  const choice = { available, ...(native && { native }) };
  if (forced) {
    const kernels = available.find(({ set }) => set === forced);
    if (kernels) return { kernels, ...choice };
    const names = available.map(({ set }) => set).join(", ");
    throw new KernelsUnavailable(`V4KIT_KERNELS=${forced}: not available here; expected one of ${names}`);
  }
  const kernels = available[available.length - 1];
  return problem
    ? {
        kernels,
        ...choice,
        warning: `${problem}; the TypeScript kernels give the same bytes 10 to 100 times slower`,
      }
    : { kernels, ...choice };
}

/** The kernel set to use. See `chooseKernels`. */
export function loadKernels(forced?: string): Kernels {
  return chooseKernels(forced).kernels;
}
