import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";
import { withSource } from "./source-args.ts";

interface Args extends CommonArgs {
  source: string | undefined;
  variant: string | undefined;
  engines: boolean;
}

export const inspectCommand: CommandModule<CommonArgs, Args> = {
  command: "inspect [source]",
  describe: "Classify every tensor of a checkpoint from its headers, or say what is wrong with it",
  builder: (yargs: Argv<CommonArgs>) =>
    withSource(yargs).option("engines", {
      type: "boolean",
      default: false,
      describe: "say which engines load it, or why not, by the rules in docs/engines.md",
    }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveLocal } = await import("../hub/resolve.ts");
    const { path } = await resolveLocal(args);
    if (args.engines) {
      const { openCheckpoint } = await import("../checkpoint/open.ts");
      const { readArtefactFacts } = await import("../checkpoint/artefact-facts.ts");
      const { checkAllEngines } = await import("../plan/engines/check-engine.ts");
      const { renderEngines } = await import("../plan/engines/render-engines.ts");
      const source = await openCheckpoint(path);
      await source.close();
      const verdicts = checkAllEngines(await readArtefactFacts(path), source.config);
      printResult(args, verdicts, () => renderEngines(verdicts, true));
      return;
    }
    const { inspect } = await import("../inspect/inspect.ts");
    const { renderCensus } = await import("../inspect/render.ts");
    const report = await inspect(path);
    printResult(args, report, () => renderCensus(report));
  },
};
