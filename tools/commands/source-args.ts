import type { Argv } from "yargs";

/** The source of a command: a positional path or Hub id, or `--variant`. */
export const withSource = <T>(
  yargs: Argv<T>,
): Argv<T & { source: string | undefined; variant: string | undefined }> =>
  yargs
    .positional("source", {
      type: "string",
      describe: "checkpoint folder, .gguf, Hub id org/name[@revision], or https:// folder",
    })
    .option("variant", {
      type: "string",
      describe: "an official release: flash, pro, flash-base, pro-base, flash-0731, pro-0813",
    });

/** Flags about a source that may lie elsewhere. */
export interface RemoteArgs {
  revision: string | undefined;
  mirror: string | undefined;
}

export const withRemote = <T>(yargs: Argv<T>): Argv<T & RemoteArgs> =>
  yargs
    .option("revision", { type: "string", describe: "branch, tag or commit of the Hub (default: main)" })
    .option("mirror", { type: "string", describe: "take the bytes from another host with the same paths" })
    .nargs({ revision: 1, mirror: 1 }) as unknown as Argv<T & RemoteArgs>;
