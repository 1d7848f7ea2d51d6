import type { Kernels } from "../../kernels/kernels.ts";
import { chooseKernels } from "../../kernels/load.ts";

/** The kernels of a forward pass on this machine; results do not depend on the number of threads. */
export const openModelKernels = (threads: number): Kernels => chooseKernels(undefined, threads).kernels;
