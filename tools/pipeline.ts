/** A stage of the pipeline: a command that reads one artefact and writes another. Stages talk through files alone. */
export interface Stage {
  readonly command: string;
  readonly input: string;
  readonly output: string;
}

/** The stages in the order in which an artefact passes through them. */
const PIPELINE = [
  { command: "download", input: "Hub id", output: "checkpoint" },
  { command: "inspect", input: "checkpoint", output: "census" },
  { command: "plan", input: "census and recipe", output: "plan.json" },
  { command: "quantize", input: "checkpoint and plan", output: "artefact" },
  { command: "validate", input: "artefact and checkpoint", output: "validation run" },
] as const satisfies readonly Stage[];

/** `download → quantize`, for help texts. */
export const pipelineArrow = (): string => PIPELINE.map(({ command }) => command).join(" → ");
