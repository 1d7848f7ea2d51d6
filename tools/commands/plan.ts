import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";
import { type PlanArgs, planRequest, withPlan } from "./plan-args.ts";
import { withSource } from "./source-args.ts";

interface Args extends CommonArgs, PlanArgs {
  source: string | undefined;
  variant: string | undefined;
  imatrix: string | undefined;
  out: string | undefined;
  benchmark: boolean;
}

export const planCommand: CommandModule<CommonArgs, Args> = {
  command: "plan [source]",
  describe:
    "Say what a conversion would make, byte by byte, how long it takes here, and what holds the result",
  builder: (yargs: Argv<CommonArgs>) =>
    withPlan(withSource(yargs))
      .option("imatrix", { type: "string", describe: "the importance file that will be used" })
      .option("out", {
        type: "string",
        describe: "the plan's file, - for none (default: MODEL-RECIPE.plan.json in the working directory)",
      })
      .option("benchmark", {
        type: "boolean",
        default: true,
        describe: "measure disks and kernels for about 3 s to predict a time; --no-benchmark does not",
      })
      .nargs({ imatrix: 1, out: 1 }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveLocal } = await import("../hub/resolve.ts");
    const { chooseKernels } = await import("../../kernels/load.ts");
    const { writeFileAtomic } = await import("../lib/disk.ts");
    const { makePlan } = await import("../predict/make-plan.ts");
    const { renderPlan } = await import("../plan/render-plan.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const { path, name } = await resolveLocal(args);
    const report = await makePlan({
      path,
      name,
      request: planRequest(args),
      imatrix: args.imatrix,
      workers: args.workers,
      folder: ".",
      kernels: chooseKernels().kernels.set,
      benchmark: args.benchmark,
    });
    const out = args.out ?? `${name}-${report.recipe.name}.plan.json`;
    if (out !== "-")
      await writeFileAtomic(out, new TextEncoder().encode(`${JSON.stringify(report, null, 1)}\n`));
    printResult(args, report, () => renderPlan(report, out === "-" ? undefined : out));
  },
};
