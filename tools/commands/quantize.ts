import type { Argv, CommandModule } from "yargs";
import type { QuantizeResult } from "../quantize/describe.ts";
import type { Streaming } from "../quantize/stream.ts";
import type { Elsewhere, Place } from "./open-place.ts";
import { type CommonArgs, printResult } from "./output.ts";
import { type PlanArgs, planRequest, withPlan } from "./plan-args.ts";
import { type RemoteArgs, withRemote, withSource } from "./source-args.ts";
import { connectionsOf, type StreamArgs, windowBytesOf, withStream } from "./stream-args.ts";

interface Args extends CommonArgs, PlanArgs, RemoteArgs, StreamArgs {
  source: string | undefined;
  variant: string | undefined;
  imatrix: string | undefined;
  out: string | undefined;
  stream: boolean;
  dryRun: boolean;
  restart: boolean;
  force: boolean;
}

export const quantizeCommand: CommandModule<CommonArgs, Args> = {
  command: "quantize [source]",
  describe: "Convert a checkpoint to what an engine loads; the same command goes on after a crash",
  builder: (yargs: Argv<CommonArgs>) =>
    withStream(withRemote(withPlan(withSource(yargs))))
      .option("plan", {
        type: "string",
        describe: "a plan that v4kit plan wrote, instead of the flags above",
      })
      .option("imatrix", {
        type: "string",
        describe: "importance file, GGUF or .dat; 2 and 3 bits want one",
      })
      .option("out", {
        type: "string",
        describe: "output file or folder (default: MODEL-RECIPE in the working directory)",
      })
      .option("stream", {
        type: "boolean",
        default: false,
        describe:
          "read a source that is elsewhere by ranges, and never store it; else it is downloaded first",
      })
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "say what would be written, write nothing",
      })
      .option("restart", { type: "boolean", default: false, describe: "begin an unfinished conversion anew" })
      .option("force", {
        type: "boolean",
        default: false,
        describe: "replace a finished output",
      }) as unknown as Argv<Args>,
  handler: async (args) => {
    const { ensureDownloaded } = await import("../hub/ensure-downloaded.ts");
    const { resolveSource } = await import("../hub/resolve.ts");
    const { renderQuantize } = await import("../quantize/render.ts");
    const { interruptSignal } = await import("../lib/interrupt.ts");
    const { announceKernels } = await import("./kernels.ts");
    const { withPlace } = await import("./open-place.ts");
    announceKernels(args);
    // Wrong flags are refused wherever the source lies.
    const stream = { windowBytes: windowBytesOf(args), connections: connectionsOf(args) };
    const signal = interruptSignal("the same command goes on where it stopped");
    const source = args.stream
      ? await resolveSource(args)
      : await ensureDownloaded(args, {
          mirror: args.mirror,
          jobs: stream.connections,
          quiet: args.quiet,
          signal,
          dryRun: args.dryRun,
          onText: (text) => {
            if (!args.quiet) process.stderr.write(`${text}\n`);
          },
        });
    const options = { mirror: args.mirror, signal, onRetry: sayer(args) };
    const result = await withPlace(source, options, (place) => convert(args, place, { ...stream, signal }));
    printResult(args, result, () => renderQuantize(result));
  },
};

const sayer =
  ({ quiet }: Args) =>
  (line: string): void => {
    if (!quiet) process.stderr.write(`v4kit: ${line}\n`);
  };

async function convert(
  args: Args,
  { name, place, elsewhere }: Place,
  limits: StreamLimits,
): Promise<QuantizeResult> {
  const { sourceDigest } = await import("../checkpoint/source-identity.ts");
  const { choosePlan } = await import("../plan/choose-plan.ts");
  const { artefactName } = await import("../quantize/place.ts");
  const { quantize } = await import("../quantize/quantize.ts");
  const request = planRequest(args);
  return quantize({
    place,
    ...(elsewhere && { stream: await streamFrom(elsewhere, { ...limits, onRetry: sayer(args) }) }),
    planFor: (census, source) => choosePlan(census, request, sourceDigest(source)),
    out: args.out ?? ((plan) => artefactName(name, plan)),
    imatrix: args.imatrix,
    workers: args.workers,
    force: args.force,
    restart: args.restart,
    dryRun: args.dryRun,
    quiet: args.quiet,
    signal: limits.signal,
    onWarning: sayer(args),
  });
}

interface StreamLimits {
  readonly windowBytes: number;
  readonly connections: number;
  readonly signal: AbortSignal;
}

async function streamFrom(
  { client, repository }: Elsewhere,
  options: StreamLimits & { readonly onRetry: (line: string) => void },
): Promise<Streaming> {
  const { isAtHub, streamRepository } = await import("../hub/stream.ts");
  return {
    from: isAtHub(client, repository) ? "hub" : "other",
    windowBytes: options.windowBytes,
    open: (reads, path) => streamRepository(client, repository, { ...options, reads, path }),
  };
}
