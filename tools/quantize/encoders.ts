import { ENCODER_VERSIONS } from "../../kernels/encoder-versions.ts";
import { type OutputPlan, plannedTensors } from "../plan/output-plan.ts";

/** The encoders that a plan may use, with their versions, as artefacts and journals name them: `q4_K@1`. */
export function encodersOf(plan: OutputPlan): string[] {
  const used = new Set<string>();
  for (const { tensor } of plannedTensors(plan))
    if (tensor.storage in ENCODER_VERSIONS) used.add(tensor.storage);
  return [...used].sort().map((name) => `${name}@${ENCODER_VERSIONS[name as keyof typeof ENCODER_VERSIONS]}`);
}
