import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";
import { type PlanArgs, planRequest, withPlan } from "./plan-args.ts";
import { withSource } from "./source-args.ts";

interface Args extends CommonArgs, PlanArgs {
  source: string | undefined;
  variant: string | undefined;
  imatrix: string | undefined;
  out: string | undefined;
  dryRun: boolean;
  restart: boolean;
  force: boolean;
}

export const quantizeCommand: CommandModule<CommonArgs, Args> = {
  command: "quantize [source]",
  describe: "Convert a checkpoint to what an engine loads; the same command goes on after a crash",
  builder: (yargs: Argv<CommonArgs>) =>
    withPlan(withSource(yargs))
      .option("plan", {
        type: "string",
        describe: "a plan that v4kit plan wrote, instead of the flags above",
      })
      .option("imatrix", {
        type: "string",
        describe: "importance file, GGUF or .dat; 2 and 3 bits want one",
      })
      .option("out", {
        type: "string",
        describe: "output file or folder (default: MODEL-RECIPE in the working directory)",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "say what would be written, write nothing",
      })
      .option("restart", { type: "boolean", default: false, describe: "begin an unfinished conversion anew" })
      .option("force", {
        type: "boolean",
        default: false,
        describe: "replace a finished output",
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveLocal } = await import("../hub/resolve.ts");
    const { sourceDigest } = await import("../checkpoint/source-identity.ts");
    const { choosePlan } = await import("../plan/choose-plan.ts");
    const { artefactName } = await import("../quantize/place.ts");
    const { quantize } = await import("../quantize/quantize.ts");
    const { renderQuantize } = await import("../quantize/render.ts");
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const request = planRequest(args);
    const { path, name } = await resolveLocal(args);
    const result = await quantize({
      path,
      planFor: (census, source) => choosePlan(census, request, sourceDigest(source)),
      out: args.out ?? ((plan) => artefactName(name, plan)),
      imatrix: args.imatrix,
      workers: args.workers,
      force: args.force,
      restart: args.restart,
      dryRun: args.dryRun,
      quiet: args.quiet,
      signal: interruptSignal("the same command goes on where it stopped"),
      onWarning: (line) => {
        if (!args.quiet) process.stderr.write(`v4kit: ${line}\n`);
      },
    });
    printResult(args, result, () => renderQuantize(result));
  },
};
