import type { Argv } from "yargs";

/** The source of a command: a positional path or Hub id, or `--variant`. */
export const withSource = <T>(
  yargs: Argv<T>,
): Argv<T & { source: string | undefined; variant: string | undefined }> =>
  yargs
    .positional("source", {
      type: "string",
      describe: "checkpoint folder, .gguf, or Hub id org/name[@revision]",
    })
    .option("variant", {
      type: "string",
      describe: "an official release: flash, pro, flash-base, pro-base, flash-0731, pro-0813",
    });
