import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parse } from "yaml";
import { type Fault, inputError, usageError, V4Error } from "../lib/errors.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";
import { type CachedSnapshot, cachedSnapshot, exists } from "./cached-snapshot.ts";
import { localPath } from "./folder-address.ts";
import { shownUrl } from "./request-error.ts";
import { hubSettings } from "./settings.ts";
import { checkRevision, HUB_ID, isDataset, isFolderAddress } from "./source-names.ts";

/** What the user may name: a path, Hub id or address of a folder, or a variant. */
export interface SourceChoice {
  readonly source?: string | undefined;
  readonly variant?: string | undefined;
  /** A branch, a tag, a commit (abbreviated too) or refs/pr/N; or behind an "@" of the id. */
  readonly revision?: string | undefined;
}

/** A source on this machine. `name` is short, for default output names. */
export interface LocalSource {
  readonly name: string;
  readonly path: string;
}

/** A source that lies elsewhere: a Hub id, or the address of a folder, which has no revisions. */
export interface RemoteSource {
  readonly name: string;
  readonly remote: { readonly id: string; readonly revision: string };
}

export type ResolvedSource = LocalSource | RemoteSource;

/** A remote source, and what the cache has of it. */
interface Found {
  readonly source: ResolvedSource;
  readonly snapshot?: CachedSnapshot | undefined;
}

/** The official releases by variant name. */
function variants(): Readonly<Record<string, string>> {
  return parse(readFileSync(join(PACKAGE_ROOT, "configs/models/deepseek-v4.yaml"), "utf8")) as Record<
    string,
    string
  >;
}

/**
 * Finds a checkpoint: a path as it is; a Hub id (`org/name[@revision]`) in the cache where all that a conversion reads is
 * there, without asking the network, else at the Hub; an address of a folder where it is. Errors: nothing of that name
 * (66), a dataset (64), offline and not whole in the cache (69).
 */
export async function resolveSource(
  choice: SourceChoice,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ResolvedSource> {
  const { source, snapshot } = await find(choice, env);
  if ("remote" in source && !source.remote.id.startsWith("file:") && hubSettings(env).offline)
    throw new V4Error("unavailable", {
      ...notHere(source, snapshot, env),
      next: "unset HF_HUB_OFFLINE, or put the files into the cache",
    });
  return source;
}

/** As `resolveSource`, for commands that need the files on this machine. Errors: they are elsewhere (66). */
export async function resolveLocal(
  choice: SourceChoice,
  env: NodeJS.ProcessEnv = process.env,
): Promise<LocalSource> {
  const { source, snapshot } = await find(choice, env);
  if ("path" in source) return source;
  const { id, revision } = source.remote;
  if (id.startsWith("file:")) return { name: source.name, path: localPath(id) };
  const named = isFolderAddress(id) ? shownUrl(id, hubSettings(env).token) : id;
  throw inputError({
    ...notHere(source, snapshot, env),
    next: `download it first: v4kit download ${named}${revision === "main" || !revision ? "" : `@${revision}`}`,
  });
}

async function find(choice: SourceChoice, env: NodeJS.ProcessEnv): Promise<Found> {
  const { source, variant } = choice;
  if (source !== undefined && variant === undefined && (await exists(source)))
    return { source: { path: source, name: checkpointName(source) } };
  const elsewhere = remoteSource(choice);
  const { id, revision } = elsewhere.remote;
  if (isFolderAddress(id)) return { source: elsewhere };
  if (isDataset(id))
    throw usageError({ what: "a dataset, not a checkpoint", expected: "org/name", found: id });
  const snapshot = await cachedSnapshot(hubSettings(env).cacheFolder, id, revision);
  if (snapshot?.missing.length === 0) return { source: { name: elsewhere.name, path: snapshot.path } };
  return { source: elsewhere, snapshot };
}

/** What a choice names elsewhere, whether or not it is here too. Errors: a path (66), none or two sources (64). */
export function remoteSource({ source, variant, revision }: SourceChoice): RemoteSource {
  if ((source === undefined) === (variant === undefined))
    throw usageError({
      what: "name one source",
      expected: "a path, a Hub id, or --variant NAME",
      found: source ? "both" : "none",
    });
  const location = variant === undefined ? (source as string) : repositoryOf(variant);
  if (isFolderAddress(location)) {
    if (!URL.canParse(location)) throw usageError({ what: "not the address of a folder" });
    const name = basename(location.replace(/[?#].*$/, "")) || "checkpoint";
    return { name, remote: { id: location, revision: "" } };
  }
  const at = location.indexOf("@");
  const id = at < 0 ? location : location.slice(0, at);
  if (!HUB_ID.test(id))
    throw inputError({
      what: existsSync(location) ? "it is on this machine, not elsewhere" : "no such file or folder",
      file: location,
      next: "name a checkpoint folder, a .gguf, or a Hub id such as deepseek-ai/DeepSeek-V4-Flash",
    });
  const wanted = revisionOf(at < 0 ? undefined : location.slice(at + 1), revision);
  return { name: basename(id), remote: { id, revision: wanted } };
}

function revisionOf(behindId: string | undefined, flag: string | undefined): string {
  if (behindId !== undefined && flag !== undefined && behindId !== flag)
    throw usageError({ what: "two revisions", found: `${behindId} and ${flag}` });
  const revision = behindId ?? flag ?? "main";
  checkRevision(revision);
  return revision;
}

function notHere(
  { remote }: RemoteSource,
  snapshot: CachedSnapshot | undefined,
  env: NodeJS.ProcessEnv,
): Fault {
  if (isFolderAddress(remote.id))
    return { what: "the folder is not on this machine", file: shownUrl(remote.id, hubSettings(env).token) };
  const label = remote.revision === "main" ? remote.id : `${remote.id}@${remote.revision}`;
  if (!snapshot) return { what: `${label} is not in the Hugging Face cache` };
  const { missing, path } = snapshot;
  return {
    what: `${label} is not whole in the Hugging Face cache`,
    file: path,
    found: `no ${missing.slice(0, 3).join(", ")}${missing.length > 3 ? ` and ${missing.length - 3} more` : ""}`,
  };
}

function repositoryOf(variant: string): string {
  const known = variants();
  if (!Object.hasOwn(known, variant))
    throw usageError({ what: `unknown variant "${variant}"`, expected: Object.keys(known).join(", ") });
  return known[variant];
}

/** A folder's own name, or the repository's for a snapshot of the cache. */
function checkpointName(location: string): string {
  const path = resolve(location);
  const inCache = /models--(?:[^/\\]+)--([^/\\]+)[/\\]snapshots[/\\][^/\\]+$/.exec(path);
  return inCache ? inCache[1] : basename(path, ".gguf");
}
