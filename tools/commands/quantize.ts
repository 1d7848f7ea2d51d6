import { availableParallelism } from "node:os";
import type { Argv, CommandModule } from "yargs";
import type { MtpChoice } from "../plan/gguf-plan.ts";
import { type CommonArgs, printResult } from "./output.ts";
import { withSource } from "./source-args.ts";

interface Args extends CommonArgs {
  source: string | undefined;
  variant: string | undefined;
  bits: number;
  out: string | undefined;
  workers: number;
  mtp: MtpChoice;
  dryRun: boolean;
  force: boolean;
}

export const quantizeCommand: CommandModule<CommonArgs, Args> = {
  command: "quantize [source]",
  describe: "Convert a checkpoint to a GGUF that llama.cpp loads",
  builder: (yargs: Argv<CommonArgs>) =>
    withSource(yargs)
      .option("bits", {
        type: "number",
        choices: [4, 8, 16, 32],
        demandOption: true,
        describe: "4 and 8 keep FP4 experts bit for bit; 16 and 32 are for checking",
      })
      .option("out", {
        type: "string",
        describe: "output file (default: MODEL-RECIPE.gguf in the working directory)",
      })
      .option("workers", {
        type: "number",
        default: availableParallelism(),
        describe: "worker threads; the bytes do not depend on it",
      })
      .option("mtp", {
        choices: ["sidecar", "drop"] as const,
        default: "sidecar" as const,
        describe: "the MTP block: a file of its own (mtp-NAME.gguf), or left out",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "say what would be written, write nothing",
      })
      .option("force", { type: "boolean", default: false, describe: "replace a finished output" })
      .check(({ workers }) => {
        if (!Number.isInteger(workers) || workers < 1 || workers > 256)
          throw new Error("--workers: expected 1 to 256");
        return true;
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveSource } = await import("../hub/resolve.ts");
    const { recipeForBits } = await import("../plan/recipe.ts");
    const { quantize } = await import("../quantize/quantize.ts");
    const { renderQuantize } = await import("../quantize/render.ts");
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const { path, name } = await resolveSource(args);
    const recipe = recipeForBits(args.bits);
    if (!recipe) throw new Error(`no recipe for --bits ${args.bits}`);
    const result = await quantize({
      path,
      recipe,
      out: args.out ?? `${name}-${recipe.name}.gguf`,
      mtp: args.mtp,
      workers: args.workers,
      force: args.force,
      dryRun: args.dryRun,
      quiet: args.quiet,
      signal: interruptSignal("nothing half-written was left under a final name"),
    });
    printResult(args, result, () => renderQuantize(result));
  },
};
