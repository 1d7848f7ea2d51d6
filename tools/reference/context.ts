import type { ForwardKernels } from "../../kernels/forward.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Rounding } from "./rounding.ts";

/** What every part of the forward pass needs to know. */
export interface Context {
  readonly config: ModelConfig;
  readonly rounding: Rounding;
  readonly kernels: ForwardKernels;
}
