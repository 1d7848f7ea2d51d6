import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";
import { type PlanArgs, planRequest, withPlan } from "./plan-args.ts";
import { type RemoteArgs, withRemote, withSource } from "./source-args.ts";
import { connectionsOf, type StreamArgs, windowBytesOf, withStream } from "./stream-args.ts";

interface Args extends CommonArgs, PlanArgs, RemoteArgs, StreamArgs {
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
    withStream(withRemote(withPlan(withSource(yargs))))
      .option("imatrix", { type: "string", describe: "the importance file that will be used" })
      .option("out", {
        type: "string",
        describe: "the plan's file, - for none (default: MODEL-RECIPE.plan.json in the working directory)",
      })
      .option("benchmark", {
        type: "boolean",
        default: true,
        describe:
          "measure disks or network, and kernels, for about 3 s to predict a time; --no-benchmark does not",
      })
      .nargs({ imatrix: 1, out: 1 }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveSource } = await import("../hub/resolve.ts");
    const { rangesOf } = await import("../hub/fetch-range.ts");
    const { measureRate } = await import("../hub/measure-rate.ts");
    const { withPlace } = await import("./open-place.ts");
    const { chooseKernels } = await import("../../kernels/load.ts");
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { writeFileAtomic } = await import("../lib/disk.ts");
    const { makePlan } = await import("../predict/make-plan.ts");
    const { renderPlan } = await import("../plan/render-plan.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const [windowBytes, connections] = [windowBytesOf(args), connectionsOf(args)];
    const source = await resolveSource(args);
    const signal = interruptSignal("nothing was written");
    const report = await withPlace(source, { mirror: args.mirror, signal }, ({ name, place, elsewhere }) =>
      makePlan({
        place,
        // A file:// folder is read at the speed of its disk.
        ...(elsewhere &&
          !(typeof place === "object" && place.isLocal) && {
            elsewhere: {
              downloadBytes: elsewhere.repository.files.reduce((sum, { byteLength }) => sum + byteLength, 0),
              windowBytes,
              measureRate: () =>
                measureRate(
                  rangesOf(elsewhere.client),
                  elsewhere.repository.files.map((file) => ({ file })),
                  { jobs: connections, signal },
                ),
            },
          }),
        name,
        request: planRequest(args),
        imatrix: args.imatrix,
        workers: args.workers,
        folder: ".",
        kernels: chooseKernels().kernels.set,
        benchmark: args.benchmark,
      }),
    );
    const { name } = source;
    const out = args.out ?? `${name}-${report.recipe.name}.plan.json`;
    if (out !== "-")
      await writeFileAtomic(out, new TextEncoder().encode(`${JSON.stringify(report, null, 1)}\n`));
    printResult(args, report, () => renderPlan(report, out === "-" ? undefined : out));
  },
};
