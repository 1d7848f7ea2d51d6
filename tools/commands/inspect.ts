import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";
import { withSource } from "./source-args.ts";

interface Args extends CommonArgs {
  source: string | undefined;
  variant: string | undefined;
}

export const inspectCommand: CommandModule<CommonArgs, Args> = {
  command: "inspect [source]",
  describe: "Classify every tensor of a checkpoint from its headers, or say what is wrong with it",
  builder: (yargs: Argv<CommonArgs>) => withSource(yargs),
  handler: async (args) => {
    const { resolveSource } = await import("../hub/resolve.ts");
    const { inspect } = await import("../inspect/inspect.ts");
    const { renderCensus } = await import("../inspect/render.ts");
    const { path } = await resolveSource(args);
    const report = await inspect(path);
    printResult(args, report, () => renderCensus(report));
  },
};
