import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { sourceDigest } from "../checkpoint/source-identity.ts";
import { evalLongContext } from "../evaluate/long-context.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import { choosePlan } from "../plan/choose-plan.ts";
import { quantize } from "../quantize/quantize.ts";
import { DEMO_CHECKPOINT } from "./embedded.ts";

/** Single needles as one artefact finds them. */
export interface NeedleRow {
  readonly name: string;
  readonly byteLength?: number;
  /** Share of needles found, by tokens of the prompt. */
  readonly lengths: readonly { readonly length: number; readonly score: number }[];
  readonly score: number;
  /** Mean log-probability of the tokens of the answers. */
  readonly logProb: number;
}

export interface NeedleOptions {
  readonly folder: string;
  /** The lossless 4-bit artefact. */
  readonly artefact: { readonly path: string; readonly byteLength: number };
  readonly quiet: boolean;
}

/** From 1,024 tokens on the indexer of the embedded checkpoint has to leave rows out. */
const LENGTHS = [512, 1024, 2048];
const DEPTHS = [10, 50, 90];

/** Finer to coarser, below what is lossless. */
const COARSE = [
  { name: "ds4-q2", recipe: "ds4-q2" },
  { name: "all-2-bit", recipe: join(PACKAGE_ROOT, "configs/demo/all-2-bit.yaml") },
];

/** Looks for needles in the source, in its lossless artefact, and in ever coarser ones. */
export async function runNeedles({ folder, artefact, quiet }: NeedleOptions): Promise<readonly NeedleRow[]> {
  const find = (name: string, path: string): Promise<NeedleRow> =>
    findNeedles({ name, path, out: join(folder, `eval-${name}`), quiet });
  const rows = [
    await find("source", DEMO_CHECKPOINT),
    { ...(await find("lossless-4", artefact.path)), byteLength: artefact.byteLength },
  ];
  for (const { name, recipe } of COARSE) {
    const { outputs } = await quantize({
      place: DEMO_CHECKPOINT,
      planFor: (census, source) => choosePlan(census, { recipe }, sourceDigest(source)),
      out: join(folder, `tiny-v4-${name}.gguf`),
      workers: availableParallelism(),
      force: true,
      restart: true,
      dryRun: false,
      quiet: true,
    });
    const [{ path, byteLength }] = outputs;
    rows.push({ ...(await find(name, path)), byteLength });
  }
  return rows;
}

async function findNeedles(options: {
  readonly name: string;
  readonly path: string;
  readonly out: string;
  readonly quiet: boolean;
}): Promise<NeedleRow> {
  const { name, path, out, quiet } = options;
  // Of an earlier demo, whose artefact was another file.
  await rm(out, { recursive: true, force: true });
  const result = await evalLongContext({
    model: { checkpoint: path, numerics: "fp32", threads: availableParallelism() },
    choice: { suite: "niah", style: "noise", lengths: LENGTHS, depths: DEPTHS, samples: 1, seed: 0 },
    mode: "nonthink",
    sampling: { temperature: 0, topP: 1, seed: 0 },
    run: {
      maxCostUsd: 0,
      yes: false,
      retry: [],
      out,
      dryRun: false,
      commandLine: ["v4kit", "demo"],
      quiet,
      signal: new AbortController().signal,
      onPlan: () => {},
    },
  });
  if (!result || result.stopped) throw result?.stopped ?? new Error("a run that is not dry has a result");
  const { summary } = result.report;
  return {
    name,
    lengths: result.longContext.lengths.map(({ length, mean }) => ({ length, score: mean })),
    score: summary.score ?? 0,
    logProb: summary.replyLogProb ?? Number.NaN,
  };
}
