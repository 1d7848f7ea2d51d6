import type { KernelSetName, Kernels } from "./kernels.ts";
import { scalar } from "./scalar/index.ts";

/** Thrown when `V4KIT_KERNELS` names a set that this machine or this build does not have. */
class KernelsUnavailable extends Error {}

/** The kernel set to use: the one `V4KIT_KERNELS` forces, else the fastest that runs here. */
export function loadKernels(forced: string | undefined = process.env.V4KIT_KERNELS): Kernels {
  const available: Partial<Record<KernelSetName, Kernels>> = { scalar };
  if (forced === undefined || forced === "") return scalar;
  const kernels = available[forced as KernelSetName];
  if (!kernels)
    throw new KernelsUnavailable(
      `V4KIT_KERNELS=${forced}: not available here; expected one of ${Object.keys(available).join(", ")}`,
    );
  return kernels;
}
