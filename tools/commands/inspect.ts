import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";
import { type RemoteArgs, withRemote, withSource } from "./source-args.ts";

interface Args extends CommonArgs, RemoteArgs {
  source: string | undefined;
  variant: string | undefined;
  engines: boolean;
}

export const inspectCommand: CommandModule<CommonArgs, Args> = {
  command: "inspect [source]",
  describe: "Classify every tensor of a checkpoint from its headers, or say what is wrong with it",
  builder: (yargs: Argv<CommonArgs>) =>
    withRemote(withSource(yargs)).option("engines", {
      type: "boolean",
      default: false,
      describe: "say which engines load it, or why not, by the rules in docs/engines.md",
    }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { resolveSource } = await import("../hub/resolve.ts");
    const { withPlace } = await import("./open-place.ts");
    const source = await resolveSource(args);
    await withPlace(source, { mirror: args.mirror }, async ({ place }) => {
      if (args.engines) {
        const { openCheckpoint } = await import("../checkpoint/open.ts");
        const { readArtefactFacts } = await import("../checkpoint/artefact-facts.ts");
        const { checkAllEngines } = await import("../plan/engines/check-engine.ts");
        const { renderEngines } = await import("../plan/engines/render-engines.ts");
        const { config, close } = await openCheckpoint(place);
        await close();
        const verdicts = checkAllEngines(await readArtefactFacts(place), config);
        printResult(args, verdicts, () => renderEngines(verdicts, true));
        return;
      }
      const { inspect } = await import("../inspect/inspect.ts");
      const { renderCensus } = await import("../inspect/render.ts");
      const report = await inspect(place);
      printResult(args, report, () => renderCensus(report));
    });
  },
};
