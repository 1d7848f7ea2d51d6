import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";

interface Args extends CommonArgs {
  out: string;
}

interface GenerateArgs extends CommonArgs {
  folder: string;
  preset: "tiny" | "flash-layer";
  storage: "official" | "base" | "f32";
  seed: number;
  [dimension: string]: unknown;
}

const generateCommand: CommandModule<CommonArgs, GenerateArgs> = {
  command: "generate <folder>",
  describe: "Write a checkpoint of random weights in the official layout",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs
      .positional("folder", { type: "string", demandOption: true, describe: "folder to write" })
      .option("preset", {
        choices: ["tiny", "flash-layer"] as const,
        default: "tiny" as const,
        describe: "dimensions to start from",
      })
      .option("storage", {
        choices: ["official", "base", "f32"] as const,
        default: "official" as const,
        describe: "FP4 and FP8 as released, FP8 with F32 scales, or plain F32",
      })
      .option("seed", { type: "number", default: 0, describe: "another seed gives other weights" })
      .option("set", {
        type: "array",
        string: true,
        default: [],
        describe: "dimensions to change, e.g. --set layerCount=6 expertCount=32",
      }) as unknown as Argv<GenerateArgs>,
  handler: async (args) => {
    const { generateFromFlags } = await import("../demo/generate-from-flags.ts");
    const dims = await generateFromFlags({ ...args, set: args.set as readonly string[] });
    printResult(
      args,
      { folder: args.folder, dims },
      () =>
        `${args.folder}: ${Object.entries(dims)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ")}`,
    );
  },
};

export const demoCommand: CommandModule<CommonArgs, Args> = {
  command: "demo",
  describe: "Run the whole pipeline on the embedded checkpoint, in under two minutes",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs.command(generateCommand).option("out", {
      type: "string",
      default: "v4kit-demo",
      describe: "folder for the result",
    }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { runDemo } = await import("../demo/run-demo.ts");
    const { renderDemo } = await import("../demo/render.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const report = await runDemo(args.out, args.quiet);
    printResult(args, report, () => renderDemo(report));
  },
};
