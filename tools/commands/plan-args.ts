import { availableParallelism } from "node:os";
import type { Argv } from "yargs";
import { parseBytes } from "../lib/units.ts";
import type { PlanRequest } from "../plan/choose-plan.ts";
import type { MtpChoice } from "../plan/output-plan.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "../plan/recipe.ts";

/** Flags that say what a checkpoint shall become. */
export interface PlanArgs {
  bits: number | undefined;
  recipe: string | undefined;
  plan?: string | undefined;
  targetSize: string | undefined;
  format: OutputFormat | undefined;
  mtp: MtpChoice | undefined;
  splitSize: string | undefined;
  allowLarger: boolean;
  workers: number;
}

export const withPlan = <T>(yargs: Argv<T>): Argv<T & PlanArgs> =>
  yargs
    .option("bits", {
      type: "number",
      choices: [2, 3, 4, 8, 16, 32],
      describe: "the documented recipe of so many bits; 4 and 8 keep FP4 experts bit for bit",
    })
    .option("recipe", { type: "string", describe: "a recipe by name (docs/recipes.md), or a file" })
    .option("target-size", {
      type: "string",
      describe: "the best recipe, mixed by layer, that fits, e.g. 96GiB",
    })
    .option("format", {
      choices: OUTPUT_FORMATS,
      describe: "what to write (default: gguf, or the recipe's own)",
    })
    .option("mtp", {
      choices: ["sidecar", "keep", "drop"] as const,
      describe: "the drafter block: a GGUF of its own, among the tensors of a folder, or left out",
    })
    .option("split-size", { type: "string", describe: "no file larger than this, e.g. 48GiB" })
    .option("allow-larger", {
      type: "boolean",
      default: false,
      describe: "let tensors become larger and also worse than passing them through",
    })
    .option("workers", {
      type: "number",
      default: availableParallelism(),
      describe: "worker threads of the conversion; the bytes do not depend on it",
    })
    .check(({ workers }) => {
      if (!Number.isInteger(workers) || workers < 1 || workers > 256)
        throw new Error("--workers: expected 1 to 256");
      return true;
    }) as unknown as Argv<T & PlanArgs>;

export const planRequest = (args: PlanArgs): PlanRequest => ({
  bits: args.bits,
  recipe: args.recipe,
  plan: args.plan,
  targetBytes: args.targetSize === undefined ? undefined : parseBytes(args.targetSize, "--target-size"),
  format: args.format,
  mtp: args.mtp,
  splitBytes: args.splitSize === undefined ? undefined : parseBytes(args.splitSize, "--split-size"),
  allowLarger: args.allowLarger,
});
