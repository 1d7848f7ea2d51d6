import type { Argv, CommandModule } from "yargs";
import { NEEDLE_STYLES, SUITES } from "../../evals/longctx/long-context-tasks.ts";
import { type EvalArgs, withEval } from "./eval-args.ts";
import { type CommonArgs, printResult } from "./output.ts";

interface Args extends EvalArgs {
  suite: (typeof SUITES)[number];
  lengths: string | undefined;
  tasks: string | undefined;
  depths: string | undefined;
  samples: number;
  style: (typeof NEEDLE_STYLES)[number] | undefined;
  essay: string | undefined;
  dataset: string | undefined;
  squad: string | undefined;
  hotpot: string | undefined;
}

/** Flags that some suites do not read. One that changes nothing would be taken for one that did. */
const READ_BY: Readonly<Record<string, readonly Args["suite"][]>> = {
  lengths: ["ruler", "niah", "residue", "mrcr", "ruler-qa"],
  tasks: ["ruler", "ruler-qa"],
  depths: ["niah", "residue"],
  style: ["niah", "residue"],
  essay: ["ruler", "niah", "residue"],
  dataset: ["mrcr", "longbench"],
  squad: ["ruler", "ruler-qa"],
  hotpot: ["ruler", "ruler-qa"],
};

/** `4K,8192` -> [4096, 8192] */
function parseLengths(text: string): number[] {
  return text.split(",").map((part) => {
    const [, digits, unit = ""] = /^\s*(\d+)([KM]?)\s*$/i.exec(part) ?? [];
    const length = Number(digits) * ({ K: 1024, M: 1_048_576 }[unit.toUpperCase()] ?? 1);
    if (!Number.isSafeInteger(length) || length < 1)
      throw new Error(`--lengths: "${part}" is no number of tokens such as 4K, 8192 or 1M`);
    return length;
  });
}

function parseDepths(text: string): number[] {
  return text.split(",").map((part) => {
    const depth = Number(part);
    if (part.trim() === "" || !(depth >= 0 && depth <= 100))
      throw new Error(`--depths: "${part}" is no percentage from 0 to 100`);
    return depth;
  });
}

export const longContextCommand: CommandModule<CommonArgs, Args> = {
  command: "longctx",
  describe: "Retrieval over length and depth: RULER, needles, MRCR, LongBench, boundaries of attention",
  builder: (yargs: Argv<CommonArgs>) =>
    withEval(yargs)
      .option("suite", { choices: SUITES, default: "ruler" as const, describe: "what is asked" })
      .option("lengths", {
        type: "string",
        describe:
          "tokens of prompt and answer, e.g. 4K,8K,1M (default: 4K to 128K, as far as the context goes)",
      })
      .option("tasks", { type: "string", describe: "of RULER, e.g. niah_single_1,vt (default: all)" })
      .option("depths", { type: "string", describe: "of needles, in percent, e.g. 0,50,100" })
      .option("samples", { type: "number", default: 3, describe: "for each task, length and depth" })
      .option("style", { choices: NEEDLE_STYLES, describe: "needle and haystack of niah and residue" })
      .option("essay", { type: "string", describe: "a text of your own for haystacks" })
      .option("dataset", {
        type: "string",
        describe:
          "files of MRCR or LongBench v2: a path, or datasets/org/name of the Hub (default: upstream's)",
      })
      .option("squad", { type: "string", describe: "SQuAD's development set, for qa_1" })
      .option("hotpot", { type: "string", describe: "HotpotQA's development set, for qa_2" })
      .nargs({
        lengths: 1,
        tasks: 1,
        depths: 1,
        samples: 1,
        style: 1,
        essay: 1,
        dataset: 1,
        squad: 1,
        hotpot: 1,
      })
      .check(({ samples, lengths, depths, suite, ...flags }) => {
        for (const [name, suites] of Object.entries(READ_BY))
          if ({ ...flags, lengths, depths }[name] !== undefined && !suites.includes(suite as Args["suite"]))
            throw new Error(`--${name} is for --suite ${suites.join(", ")}, not ${suite}`);
        if (!Number.isSafeInteger(samples) || (samples as number) < 1)
          throw new Error("--samples: expected a whole number of at least 1");
        if (lengths !== undefined) parseLengths(lengths as string);
        if (depths !== undefined) parseDepths(depths as string);
        return true;
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { evalLongContext } = await import("../evaluate/long-context.ts");
    const { announceKernels } = await import("./kernels.ts");
    const { suiteDataset } = await import("./eval-dataset.ts");
    const { modelChoice, runChoice, samplingOf } = await import("./eval-run.ts");
    const { printEval } = await import("./print-eval.ts");
    if (args.checkpoint !== undefined) announceKernels(args);
    const lengths = args.lengths === undefined ? undefined : parseLengths(args.lengths);
    const signal = interruptSignal("the same command goes on where it stopped");
    const model = await modelChoice(args, lengths && Math.max(...lengths));
    const dataset = await suiteDataset(args, signal);
    if (dataset.planned)
      return printResult(args, { download: dataset.planned }, () => "dry run: the dataset is not here yet");
    const result = await evalLongContext({
      model,
      choice: {
        suite: args.suite,
        samples: args.samples,
        seed: args.seed,
        ...(lengths && { lengths }),
        ...(args.tasks !== undefined && { tasks: args.tasks.split(",") }),
        ...(args.depths !== undefined && { depths: parseDepths(args.depths) }),
        ...(args.style && { style: args.style }),
        ...(args.essay !== undefined && { essay: args.essay }),
        ...(dataset.path !== undefined && { dataset: dataset.path }),
        ...(args.squad !== undefined && { squad: args.squad }),
        ...(args.hotpot !== undefined && { hotpot: args.hotpot }),
        ...(args.replyTokens !== undefined && { replyTokens: args.replyTokens }),
      },
      ...(args.profile && { profile: args.profile }),
      mode: args.mode,
      sampling: samplingOf(args),
      run: runChoice(args, signal),
    });
    printEval(args, result);
  },
};
