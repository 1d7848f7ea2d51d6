import type { Argv, CommandModule } from "yargs";
import { longContextCommand } from "./eval-longctx.ts";
import type { CommonArgs } from "./output.ts";

/** A benchmark is a command that makes tasks; the flags of the model and the run are the same for all. */
export const evalCommand: CommandModule<CommonArgs, CommonArgs> = {
  command: "eval",
  describe: "Measure a model: an endpoint, or a checkpoint by the reference pass",
  builder: (yargs: Argv<CommonArgs>) =>
    yargs.command(longContextCommand).demandCommand(1, "name a benchmark: longctx"),
  handler: () => {},
};
