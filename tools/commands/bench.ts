import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";

interface Args extends CommonArgs {
  formats: string;
  repeats: number;
  errorRows: number;
  csv: string | undefined;
}

const kernelsCommand: CommandModule<CommonArgs, Args> = {
  command: "kernels",
  describe: "Speed of every encoder and decoder against its twin, a memory copy and llama.cpp",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs
      .option("formats", {
        type: "string",
        default: "",
        describe: "formats to measure, e.g. q4_K,iq2_xxs (default: all)",
      })
      .option("repeats", { type: "number", default: 7, describe: "paired runs; medians are printed" })
      .option("error-rows", {
        type: "number",
        default: 0,
        describe: "rows per distribution on which errors are compared with llama.cpp's",
      })
      .option("csv", {
        type: "string",
        describe: "file to write the measurements to",
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { benchKernels } = await import("../bench/bench-kernels.ts");
    const { benchCsv, renderBench } = await import("../bench/render.ts");
    const { writeFileAtomic } = await import("../lib/disk.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const rows = await benchKernels({
      formats: args.formats.split(",").filter((name) => name !== ""),
      repeats: args.repeats,
      errorRows: args.errorRows,
      ...(!args.quiet && {
        onRow: (row) =>
          process.stderr.write(`${row.operation} ${row.format} ${row.importance} ${row.distribution}\n`),
      }),
    });
    if (args.csv) await writeFileAtomic(args.csv, new TextEncoder().encode(benchCsv(rows)));
    printResult(args, rows, () => renderBench(rows));
  },
};

export const benchCommand: CommandModule<CommonArgs, CommonArgs> = {
  command: "bench",
  describe: "Measure this machine",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs.command(kernelsCommand).demandCommand(1, "name what to measure: kernels"),
  handler: () => {},
};
