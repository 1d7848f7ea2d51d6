import { availableParallelism } from "node:os";
import type { Argv } from "yargs";
import { NUMERICS, type Numerics } from "../reference/rounding.ts";

/** The flags of every command that runs the forward pass. */
export const withForward = <T>(yargs: Argv<T>): Argv<T & { numerics: Numerics; threads: number }> =>
  yargs
    .option("numerics", {
      choices: NUMERICS,
      default: "fp32" as const,
      describe: "fp32: no rounding; qat: cached rows as trained; official: BF16, FP8 and FP4 as released",
    })
    .option("threads", {
      type: "number",
      default: availableParallelism(),
      describe: "threads of the products; no result depends on it",
    })
    .nargs({ numerics: 1, threads: 1 })
    .check(({ threads }) => {
      if (!Number.isInteger(threads) || threads < 1 || threads > 256)
        throw new Error("--threads: expected 1 to 256");
      return true;
    }) as unknown as Argv<T & { numerics: Numerics; threads: number }>;
