import type { Argv, CommandModule } from "yargs";
import type { Numerics } from "../reference/rounding.ts";
import { withForward } from "./forward-args.ts";
import type { CommonArgs } from "./output.ts";
import { withSource } from "./source-args.ts";

interface Args extends CommonArgs {
  source: string | undefined;
  variant: string | undefined;
  prompt: string | undefined;
  promptFile: string | undefined;
  chat: boolean;
  maxTokens: number;
  temperature: number;
  topP: number;
  seed: number;
  numerics: Numerics;
  threads: number;
}

export const generateCommand: CommandModule<CommonArgs, Args> = {
  command: "generate [source]",
  describe: "Continue a prompt with the reference forward pass: a checkpoint or artefact tried by hand",
  builder: (yargs: Argv<CommonArgs>) =>
    withForward(withSource(yargs))
      .option("prompt", { type: "string", describe: "text to continue" })
      .option("prompt-file", { type: "string", describe: "file with the text to continue, or - for stdin" })
      .option("chat", {
        type: "boolean",
        default: false,
        describe: "the text is a user's message; the answer comes without thinking",
      })
      .option("max-tokens", { type: "number", default: 64, describe: "stop after this many tokens" })
      .option("temperature", { type: "number", default: 0, describe: "0 takes the likeliest token" })
      .option("top-p", { type: "number", default: 1, describe: "share of the probability that takes part" })
      .option("seed", { type: "number", default: 0, describe: "another seed draws other tokens" })
      // A value must follow; without this `-` would not count as one.
      .nargs({
        prompt: 1,
        "prompt-file": 1,
        "max-tokens": 1,
        temperature: 1,
        "top-p": 1,
        seed: 1,
      })
      .conflicts("prompt", "prompt-file")
      .check(({ prompt, "prompt-file": file, "max-tokens": most, temperature, "top-p": topP, seed }) => {
        if (prompt === undefined && file === undefined) throw new Error("give --prompt or --prompt-file");
        if (!Number.isInteger(most) || (most as number) < 1)
          throw new Error("--max-tokens: expected a whole number of at least 1");
        if (!((temperature as number) >= 0)) throw new Error("--temperature: expected 0 or more");
        if (!((topP as number) > 0 && (topP as number) <= 1))
          throw new Error("--top-p: expected more than 0, at most 1");
        if (!Number.isInteger(seed)) throw new Error("--seed: expected a whole number");
        return true;
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveLocal } = await import("../hub/resolve.ts");
    const { continueText } = await import("../generate/continue-text.ts");
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { announceKernels } = await import("./kernels.ts");
    announceKernels(args);
    const { path } = await resolveLocal(args);
    const result = await continueText({
      ...args,
      path,
      signal: interruptSignal("nothing is left behind"),
      // People read the text as it comes; machines get one document.
      onText: (text) => {
        if (!args.json) process.stdout.write(text);
      },
    });
    if (args.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    else {
      process.stdout.write("\n");
      if (!args.quiet) process.stderr.write(`${result.summary}\n`);
    }
  },
};
