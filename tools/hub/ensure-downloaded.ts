import { usageError, V4Error } from "../lib/errors.ts";
import { exists } from "./cached-snapshot.ts";
import type { DownloadOptions } from "./download.ts";
import type { DownloadResult } from "./download-result.ts";
import {
  type RemoteSource,
  type ResolvedSource,
  remoteSource,
  resolveLocal,
  resolveSource,
  type SourceChoice,
} from "./resolve.ts";
import { HUB_ID, isDataset, isFolderAddress } from "./source-names.ts";

export interface EnsureOptions extends Pick<DownloadOptions, "mirror" | "jobs" | "quiet" | "signal" | "env"> {
  /** Say what would be downloaded, and leave the source where it is. */
  readonly dryRun?: boolean;
  /** Says what is about to be downloaded, and what happens meanwhile. */
  readonly onText: (text: string) => void;
}

/**
 * Finds a checkpoint on this machine; where it is at the Hub says what that means in bytes, space and time, and downloads
 * it. Without a dry run, the source that it returns is on this machine.
 */
export async function ensureDownloaded(
  choice: SourceChoice,
  options: EnsureOptions,
): Promise<ResolvedSource> {
  const source = await resolveSource(choice, options.env);
  if ("path" in source) return source;
  const { id } = source.remote;
  if (id.startsWith("file:")) return resolveLocal(choice, options.env);
  if (isFolderAddress(id)) {
    if (options.dryRun) return source;
    throw usageError({
      what: "the cache has no place for a plain folder, which has no commits",
      found: id,
      next: `give --stream, or download it first: v4kit download ${id} --local-dir FOLDER`,
    });
  }
  const { status, path } = await announced(source.remote, options);
  return status === "dry run" ? source : { name: source.name, path };
}

export interface EnsureDatasetOptions extends EnsureOptions {
  /** Patterns of the files that are needed. */
  readonly include: readonly string[];
}

/**
 * Files of a dataset (`datasets/org/name[@revision]`): from the cache where all of them are there, without asking the
 * network, else downloaded. Undefined where `source` is a path.
 */
export async function ensureDataset(
  source: string,
  options: EnsureDatasetOptions,
): Promise<DownloadResult | undefined> {
  const isId = isDataset(source) && HUB_ID.test(source.replace(/@.*$/, ""));
  if (!isId || (await exists(source))) return undefined;
  const { remote } = remoteSource({ source });
  const { include, env = process.env } = options;
  const { download } = await import("./download.ts");
  try {
    // No dry run: content that the cache knows from another commit gets its name in this one.
    return await download({ ...remote, include, quiet: true, env: { ...env, HF_HUB_OFFLINE: "1" } });
  } catch (error) {
    if (!(error instanceof V4Error && error.kind === "unavailable")) throw error;
  }
  return announced(remote, options);
}

/** Says what a download is about to do, and does it where this is no dry run. */
async function announced(
  remote: RemoteSource["remote"],
  { dryRun = false, onText, ...options }: EnsureOptions & Pick<DownloadOptions, "include">,
): Promise<DownloadResult> {
  // What touches the network takes longer to load than a source that is here needs.
  const { download } = await import("./download.ts");
  const { renderDownloadPlan } = await import("./render-download.ts");
  const wanted = { ...options, ...remote, onLine: (line: string) => onText(`v4kit: ${line}`) };
  // Only a dry run measures the rate, and who waits for hours wants to know how many.
  const planned = await download({
    ...wanted,
    dryRun: true,
    onPlan: (plan, bytesPerSecond) => onText(renderDownloadPlan(plan, bytesPerSecond)),
  });
  return dryRun ? planned : download(wanted);
}
