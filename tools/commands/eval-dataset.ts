import { join } from "node:path";
import type { LongContextOptions } from "../../evals/longctx/long-context-tasks.ts";
import type { DownloadResult } from "../hub/download-result.ts";

interface Published {
  readonly id: string;
  /** What of the repository a run reads. */
  readonly include: readonly string[];
  /** The one file that it is, where it is one. */
  readonly file?: string;
}

/** Datasets of suites at the Hub. Licences: MRCR MIT, LongBench v2 Apache-2.0. */
const PUBLISHED: Readonly<Partial<Record<LongContextOptions["suite"], Published>>> = {
  mrcr: { id: "datasets/openai/mrcr", include: ["*needle/*.parquet"] },
  longbench: { id: "datasets/zai-org/LongBench-v2", include: ["data.json"], file: "data.json" },
};

interface DatasetArgs {
  readonly suite: LongContextOptions["suite"];
  readonly dataset: string | undefined;
  readonly dryRun: boolean;
  readonly quiet: boolean;
}

/** A suite's dataset on this machine, or the download that a dry run does not do; neither where the suite has none. */
export async function suiteDataset(
  { suite, dataset, dryRun, quiet }: DatasetArgs,
  signal: AbortSignal,
): Promise<{ readonly path?: string; readonly planned?: DownloadResult }> {
  const published = PUBLISHED[suite];
  if (!published) return {};
  const { ensureDataset } = await import("../hub/ensure-downloaded.ts");
  const source = dataset ?? published.id;
  const result = await ensureDataset(source, {
    include: published.include,
    dryRun,
    quiet,
    signal,
    onText: (text) => {
      if (!quiet) process.stderr.write(`${text}\n`);
    },
  });
  if (!result) return { path: source };
  if (result.status === "dry run") return { planned: result };
  return { path: published.file === undefined ? result.path : join(result.path, published.file) };
}
