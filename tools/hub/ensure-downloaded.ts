import { usageError } from "../lib/errors.ts";
import type { DownloadOptions } from "./download.ts";
import { type ResolvedSource, resolveLocal, resolveSource, type SourceChoice } from "./resolve.ts";
import { isFolderAddress } from "./source-names.ts";

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
  { dryRun = false, onText, ...options }: EnsureOptions,
): Promise<ResolvedSource> {
  const source = await resolveSource(choice, options.env);
  if ("path" in source) return source;
  const { id, revision } = source.remote;
  if (id.startsWith("file:")) return resolveLocal(choice, options.env);
  if (isFolderAddress(id)) {
    if (dryRun) return source;
    throw usageError({
      what: "the cache has no place for a plain folder, which has no commits",
      found: id,
      next: `give --stream, or download it first: v4kit download ${id} --local-dir FOLDER`,
    });
  }
  // What touches the network takes longer to load than a source that is here needs.
  const { download } = await import("./download.ts");
  const { renderDownloadPlan } = await import("./render-download.ts");
  const wanted = { ...options, id, revision, onLine: (line: string) => onText(`v4kit: ${line}`) };
  // Only a dry run measures the rate, and who waits for hours wants to know how many.
  await download({
    ...wanted,
    dryRun: true,
    onPlan: (plan, bytesPerSecond) => onText(renderDownloadPlan(plan, bytesPerSecond)),
  });
  if (dryRun) return source;
  const { path } = await download(wanted);
  return { name: source.name, path };
}
