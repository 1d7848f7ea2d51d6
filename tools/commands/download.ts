import type { Argv, CommandModule } from "yargs";
import { type CommonArgs, printResult } from "./output.ts";
import { withSource } from "./source-args.ts";

interface Args extends CommonArgs {
  source: string | undefined;
  variant: string | undefined;
  revision: string | undefined;
  include: string[] | undefined;
  cacheDir: string | undefined;
  localDir: string | undefined;
  jobs: number;
  mirror: string | undefined;
  transfer: "ranges" | "xet";
  dryRun: boolean;
}

export const downloadCommand: CommandModule<CommonArgs, Args> = {
  command: "download [source]",
  describe:
    "Fetch a checkpoint or dataset from the Hub, verified; the same command goes on after a cut or a crash",
  builder: (yargs: Argv<CommonArgs>) =>
    withSource(yargs)
      .positional("source", {
        type: "string",
        describe: "Hub id org/name[@revision], datasets/org/name[@revision], or https:// folder",
      })
      .option("revision", { type: "string", describe: "branch, tag or commit (default: main)" })
      .option("include", {
        type: "string",
        array: true,
        describe: 'only files whose names fit a pattern such as "*.json"; * takes slashes too',
      })
      .option("cache-dir", {
        type: "string",
        describe: "the cache (default: HF_HUB_CACHE, shared with Python's huggingface_hub)",
      })
      .option("local-dir", { type: "string", describe: "a plain folder instead of the cache" })
      .option("jobs", { type: "number", default: 8, describe: "connections at the same time" })
      .option("mirror", { type: "string", describe: "take the bytes from another host with the same paths" })
      .option("transfer", {
        choices: ["ranges", "xet"] as const,
        default: "ranges" as const,
        describe: "xet: from the Hub's chunk storage, where that is faster",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "say what would be fetched and how long it takes, write nothing",
      })
      .nargs({
        revision: 1,
        "cache-dir": 1,
        "local-dir": 1,
        jobs: 1,
        mirror: 1,
        transfer: 1,
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { download } = await import("../hub/download.ts");
    const { remoteSource } = await import("../hub/resolve.ts");
    const { renderDownload, renderDownloadPlan } = await import("../hub/render-download.ts");
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { id, revision } = remoteSource(args).remote;
    const say = (text: string): void => {
      if (!args.quiet) process.stderr.write(`${text}\n`);
    };
    const result = await download({
      id,
      revision,
      include: args.include,
      cacheFolder: args.cacheDir,
      localFolder: args.localDir,
      jobs: args.jobs,
      mirror: args.mirror,
      transfer: args.transfer,
      dryRun: args.dryRun,
      quiet: args.quiet,
      signal: interruptSignal("the same command goes on where it stopped"),
      onPlan: (plan, bytesPerSecond) => say(renderDownloadPlan(plan, bytesPerSecond)),
      onLine: (line) => say(`v4kit: ${line}`),
    });
    printResult(args, result, () => renderDownload(result));
  },
};
