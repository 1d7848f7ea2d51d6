import { chooseKernels, KernelsUnavailable } from "../../kernels/load.ts";
import { V4Error } from "../lib/errors.ts";
import type { CommonArgs } from "./output.ts";

/** Checks before any work that the kernels the user asked for exist, and says so once where the slow twins will run. */
export function announceKernels({ quiet }: CommonArgs): void {
  try {
    const { warning } = chooseKernels();
    if (warning && !quiet) process.stderr.write(`v4kit: ${warning}\n`);
  } catch (error) {
    if (error instanceof KernelsUnavailable)
      throw new V4Error("unavailable", { what: error.message, next: "unset V4KIT_KERNELS" }, error);
    throw error;
  }
}
