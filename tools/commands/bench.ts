import { availableParallelism } from "node:os";
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

interface ForwardArgs extends CommonArgs {
  model: string;
  gguf: string | undefined;
  tokens: number;
  decoded: number;
  threads: number;
  repeats: number;
}

const forwardCommand: CommandModule<CommonArgs, ForwardArgs> = {
  command: "forward <model>",
  describe:
    "Speed of the reference pass on a checkpoint or GGUF, beside llama.cpp on a GGUF of the same model",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs
      .positional("model", { type: "string", demandOption: true, describe: "checkpoint folder or .gguf" })
      .option("gguf", {
        type: "string",
        describe: "the file that llama.cpp runs (default: the model itself)",
      })
      .option("tokens", { type: "number", default: 1024, describe: "tokens of the prompt" })
      .option("decoded", { type: "number", default: 16, describe: "single tokens after it" })
      .option("threads", { type: "number", default: availableParallelism(), describe: "of both" })
      .option("repeats", {
        type: "number",
        default: 3,
        describe: "alternated runs; medians are printed",
      }) as unknown as Argv<ForwardArgs>,
  handler: async (args) => {
    const { benchForward } = await import("../bench/bench-forward.ts");
    const { renderForward } = await import("../bench/render.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const gguf = args.gguf ?? (args.model.endsWith(".gguf") ? args.model : undefined);
    const rows = await benchForward({ ...args, gguf });
    printResult(args, rows, () => renderForward(rows));
  },
};

export const benchCommand: CommandModule<CommonArgs, CommonArgs> = {
  command: "bench",
  describe: "Measure this machine",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs
      .command(kernelsCommand)
      .command(forwardCommand)
      .demandCommand(1, "name what to measure: kernels or forward"),
  handler: () => {},
};
