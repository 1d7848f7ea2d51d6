import { usageError, V4Error } from "../lib/errors.ts";
import { MAX_CONNECTIONS } from "../lib/limits.ts";
import { cacheDestination } from "./cache.ts";
import { cachedRepository, checkWhole } from "./cached-repository.ts";
import type { Destination } from "./destination.ts";
import { checkSpace, type DownloadPlan, planDownload } from "./download-plan.ts";
import { createDownloadProgress } from "./download-progress.ts";
import { type DownloadResult, resultOf } from "./download-result.ts";
import { type RangeFetcher, rangesOf } from "./fetch-range.ts";
import { type HttpClient, openHttpClient } from "./http-client.ts";
import { removeLeftovers } from "./leftovers.ts";
import { localDestination } from "./local-folder.ts";
import { measureRate } from "./measure-rate.ts";
import { listRepository, type Repository } from "./repository.ts";
import { hubSettings } from "./settings.ts";
import { isFolderAddress } from "./source-names.ts";
import { type TransferredFile, transferFiles } from "./transfer.ts";
import { xetRanges } from "./xet.ts";

export interface DownloadOptions {
  /** `org/name`, `datasets/org/name`, or the address of a folder. */
  readonly id: string;
  readonly revision?: string | undefined;
  /** Patterns of names, as Python's `allow_patterns`; all files without. */
  readonly include?: readonly string[] | undefined;
  /** Another cache than the environment's. */
  readonly cacheFolder?: string | undefined;
  /** A plain folder instead of the cache. */
  readonly localFolder?: string | undefined;
  /** Connections at the same time, over all files. */
  readonly jobs?: number | undefined;
  readonly mirror?: string | undefined;
  /** `xet`: what the chunk storage behind the Hub has comes from there. Default `ranges`: of files, from the Hub or a mirror. */
  readonly transfer?: "ranges" | "xet" | undefined;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
  readonly signal?: AbortSignal;
  /** Patience with a server that has gone silent. */
  readonly stallMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** What will be done, before it is; `bytesPerSecond` where it has been measured. */
  readonly onPlan?: (plan: DownloadPlan, bytesPerSecond?: number) => void;
  /** Lines for people: retries, mending, waiting, progress without a terminal. */
  readonly onLine?: (line: string) => void;
}

const DEFAULT_JOBS = 8;

/**
 * Fetches a repository's files that are not here yet, by ranges, resumable, every byte checked against the hash that the
 * Hub names. A dry run only measures the rate. Errors: those of the Hub (66, 69, 75, 77), content that is not what its
 * hash says (65), space, permissions and disk (74, 77).
 */
export async function download(options: DownloadOptions): Promise<DownloadResult> {
  const { jobs = DEFAULT_JOBS, env = process.env } = options;
  if (options.transfer === "xet" && options.mirror !== undefined)
    throw usageError({ what: "a mirror has files, not chunks", found: "--mirror and --transfer xet" });
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > MAX_CONNECTIONS)
    throw usageError({ what: "--jobs", expected: `1 to ${MAX_CONNECTIONS}`, found: String(jobs) });
  if (options.include?.length === 0)
    throw usageError({ what: "--include", expected: 'a pattern such as "*.json"', found: "none" });
  for (let isLast = false; ; isLast = true) {
    const client = openHttpClient(hubSettings(env), {
      env,
      ...(options.stallMs !== undefined && { stallMs: options.stallMs }),
    });
    try {
      return await downloadWith(client, { ...options, jobs });
    } catch (error) {
      // A commit never changes, but a plain folder may while it is being read: then its listing is old.
      const mayHaveChanged = isFolderAddress(options.id) && error instanceof V4Error && error.kind === "data";
      if (!mayHaveChanged || isLast) throw error;
      options.onLine?.(`${error.message}: begun anew, once`);
    } finally {
      await client.close();
    }
  }
}

async function downloadWith(
  client: HttpClient,
  options: DownloadOptions & { readonly jobs: number },
): Promise<DownloadResult> {
  const { revision, mirror, include, jobs, onLine = () => {} } = options;
  const signal = options.signal ?? new AbortController().signal;
  const startedMs = performance.now();
  const { offline, cacheFolder, endpoint } = client.settings;
  const fromCache = offline && !isFolderAddress(options.id);
  const repository = fromCache
    ? await cachedRepository({
        cacheFolder: options.cacheFolder ?? cacheFolder,
        ...{ endpoint, id: options.id, revision: revision || "main" },
      })
    : await listRepository(client, options.id, {
        ...(revision && { revision }),
        ...(mirror && { mirror }),
        signal,
        onRetry: onLine,
      });
  const destination = destinationOf(client, repository, options);
  const plan = await planDownload({ repository, destination, include });
  if (fromCache) checkWhole(plan);
  const missing = plan.files.filter(({ state }) => state === "partial" || state === "missing");
  const fetchBytes = bytesFrom(client, plan, options);
  if (options.dryRun) {
    const bytesPerSecond = await measureRate(fetchBytes, missing, { jobs, signal });
    options.onPlan?.(plan, bytesPerSecond);
    return resultOf({ plan, status: "dry run", transferred: [], startedMs, bytesPerSecond });
  }
  options.onPlan?.(plan);
  checkSpace(plan);
  for (const { file, state } of plan.files) if (state === "linked") await destination.adopt(file, undefined);
  for (const { file, state } of plan.files)
    if (state === "cached" || state === "linked") await removeLeftovers(file, destination);
  const progress = createDownloadProgress({
    totalBytes: plan.missingBytes,
    fileCount: missing.length,
    showBars: client.settings.showProgress && !options.quiet,
    onLine,
  });
  const transferStartedMs = performance.now();
  let transferred: TransferredFile[] = [];
  try {
    if (missing.length > 0)
      transferred = await transferFiles({
        client,
        fetchBytes,
        destination,
        files: missing.map(({ file }) => file),
        connections: jobs,
        signal,
        listener: progress,
      });
  } finally {
    progress.stop();
  }
  if (!fromCache) await destination.finish();
  const fetchedBytes = transferred.reduce((sum, file) => sum + file.fetchedBytes, 0);
  const seconds = (performance.now() - transferStartedMs) / 1000;
  return resultOf({
    plan,
    status: missing.length > 0 ? "downloaded" : "up to date",
    transferred,
    startedMs,
    bytesPerSecond: fetchedBytes > 0 ? Math.round(fetchedBytes / seconds) : undefined,
  });
}

function destinationOf(
  { settings }: HttpClient,
  repository: Repository,
  { cacheFolder, localFolder }: DownloadOptions,
): Destination {
  if (cacheFolder !== undefined && localFolder !== undefined)
    throw usageError({ what: "one place at a time", found: "--cache-dir and --local-dir" });
  return localFolder === undefined
    ? cacheDestination(cacheFolder ?? settings.cacheFolder, repository)
    : localDestination(localFolder, repository);
}

/** How bytes are fetched; says what the chunk storage does not have. */
function bytesFrom(
  client: HttpClient,
  { repository, files }: DownloadPlan,
  { transfer, onLine = () => {} }: DownloadOptions,
): RangeFetcher {
  if (transfer !== "xet") return rangesOf(client);
  const missing = files.filter(({ state }) => state === "partial" || state === "missing");
  const others = missing.filter(({ file }) => file.xetHash === undefined).map(({ file }) => file.name);
  if (others.length > 0)
    onLine(
      `not in the chunk storage, so fetched by ranges: ${others.length} of ${missing.length} files (${others.slice(0, 3).join(", ")}${others.length > 3 ? ", …" : ""})`,
    );
  return xetRanges(client, repository);
}
