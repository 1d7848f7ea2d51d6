import { usageError } from "../lib/errors.ts";
import { download } from "./download.ts";
import { renderDownloadPlan } from "./render-download.ts";
import { type LocalSource, resolveSource, type SourceChoice } from "./resolve.ts";
import { isFolderAddress } from "./source-names.ts";

export interface EnsureOptions {
  readonly quiet: boolean;
  readonly signal: AbortSignal;
  /** Says what is about to be downloaded, and what happens meanwhile. */
  readonly onText: (text: string) => void;
  readonly env?: NodeJS.ProcessEnv;
}

/** Finds a checkpoint on this machine; where it is at the Hub says what that means in bytes and time, and downloads it. */
export async function ensureDownloaded(
  choice: SourceChoice,
  { quiet, signal, onText, env = process.env }: EnsureOptions,
): Promise<LocalSource> {
  const source = await resolveSource(choice, env);
  if ("path" in source) return source;
  const { id, revision } = source.remote;
  if (isFolderAddress(id))
    throw usageError({
      what: "the cache has no place for a plain folder, which has no commits",
      found: id,
      next: `give --stream, or download it first: v4kit download ${id} --local-dir FOLDER`,
    });
  const { path } = await download({
    id,
    revision,
    quiet,
    signal,
    env,
    onPlan: (plan) => onText(renderDownloadPlan(plan)),
    onLine: (line) => onText(`v4kit: ${line}`),
  });
  return { name: source.name, path };
}
