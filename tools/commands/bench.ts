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

interface RecipesArgs extends CommonArgs {
  recipes: string;
  chunks: number;
  needles: number;
  threads: number;
  out: string | undefined;
}

const recipesCommand: CommandModule<CommonArgs, RecipesArgs> = {
  command: "recipes",
  describe: "Size and quality of every recipe on the embedded checkpoint",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs
      .option("recipes", {
        type: "string",
        default: "",
        describe: "recipes to make, e.g. ds4-q2,q3-k (default: all)",
      })
      .option("chunks", {
        type: "number",
        default: 4,
        describe: "1,024 tokens each of held-out text, up to 23",
      })
      .option("needles", {
        type: "number",
        default: 3,
        describe: "prompts of 512 tokens that hide one needle, and as many of 2,048",
      })
      .option("threads", { type: "number", default: availableParallelism(), describe: "of all stages" })
      .option("out", {
        type: "string",
        describe: "Markdown file whose table between the markers is replaced, e.g. docs/recipes.md",
      })
      .check(({ chunks, needles, threads }) => {
        for (const [name, value] of Object.entries({ chunks, needles, threads }))
          if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: expected 1 or more`);
        return true;
      }) as unknown as Argv<RecipesArgs>,
  handler: async (args) => {
    const { benchRecipes } = await import("../bench/recipes.ts");
    const { placeTable, recipesMarkdown } = await import("../bench/render-recipes.ts");
    const { writeFileAtomic } = await import("../lib/disk.ts");
    const { readSmallFile } = await import("../lib/files.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const { out } = args;
    const readDocument = async (file: string): Promise<string> =>
      new TextDecoder().decode(await readSmallFile(file, 1 << 20));
    // A document without a place for the table is found out now, not after minutes.
    if (out) placeTable(await readDocument(out), "", out);
    const rows = await benchRecipes({
      ...args,
      recipes: args.recipes.split(",").filter((name) => name !== ""),
      ...(!args.quiet && {
        onRow: (row) => process.stderr.write(`${row.recipe ?? "the source"} ${row.importance}\n`),
      }),
    });
    const table = recipesMarkdown(rows);
    if (out) {
      const text = placeTable(await readDocument(out), table, out);
      await writeFileAtomic(out, new TextEncoder().encode(text));
    }
    printResult(args, rows, () => table);
  },
};

export const benchCommand: CommandModule<CommonArgs, CommonArgs> = {
  command: "bench",
  describe: "Measure this machine",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs
      .command(kernelsCommand)
      .command(forwardCommand)
      .command(recipesCommand)
      .demandCommand(1, "name what to measure: kernels, forward or recipes"),
  handler: () => {},
};
