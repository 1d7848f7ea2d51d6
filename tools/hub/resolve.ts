import { readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parse } from "yaml";
import { inputError, usageError } from "../lib/errors.ts";
import { PACKAGE_ROOT } from "../lib/package-root.ts";

/** What the user may name: a path or Hub id, or a variant. */
export interface SourceChoice {
  readonly source?: string | undefined;
  readonly variant?: string | undefined;
}

/** A source on this machine. `name` is short, for default output names. */
export interface LocalSource {
  readonly name: string;
  readonly path: string;
}

/** A source that lies elsewhere: a Hub id, or the URL of a folder. */
export interface RemoteSource {
  readonly name: string;
  readonly remote: { readonly id: string; readonly revision: string };
}

export type ResolvedSource = LocalSource | RemoteSource;

/** Finds a source here or elsewhere. */
export async function resolveSource(
  choice: SourceChoice,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ResolvedSource> {
  return resolveLocal(choice, env);
}

/** The official releases by variant name. */
function variants(): Readonly<Record<string, string>> {
  return parse(readFileSync(join(PACKAGE_ROOT, "configs/models/deepseek-v4.yaml"), "utf8")) as Record<
    string,
    string
  >;
}

/** Finds a checkpoint on this machine: a path as it is, a Hub id (`org/name[@revision]`) in the Hugging Face cache. */
export async function resolveLocal(
  { source, variant }: SourceChoice,
  env: NodeJS.ProcessEnv = process.env,
): Promise<LocalSource> {
  if ((source === undefined) === (variant === undefined))
    throw usageError({
      what: "name one source",
      expected: "a path, a Hub id, or --variant NAME",
      found: source ? "both" : "none",
    });
  if (variant !== undefined) return cachedSnapshot(repositoryOf(variant), env);
  const location = source as string;
  if (await exists(location)) return { path: location, name: checkpointName(location) };
  if (/^[\w.-]+\/[\w.-]+(@[\w./-]+)?$/.test(location)) return cachedSnapshot(location, env);
  throw inputError({
    what: "no such file or folder",
    file: location,
    next: "name a checkpoint folder, a .gguf, or a Hub id such as deepseek-ai/DeepSeek-V4-Flash",
  });
}

function repositoryOf(variant: string): string {
  const repository = variants()[variant];
  if (!repository)
    throw usageError({ what: `unknown variant "${variant}"`, expected: Object.keys(variants()).join(", ") });
  return repository;
}

async function cachedSnapshot(id: string, env: NodeJS.ProcessEnv): Promise<LocalSource> {
  const [repository, revision = "main"] = id.split("@");
  const cache =
    env.HF_HUB_CACHE ??
    join(env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface"), "hub");
  const folder = join(cache, `models--${repository.replaceAll("/", "--")}`);
  const commit = await readFile(join(folder, "refs", revision), "utf8").then(
    (text) => text.trim(),
    () => revision,
  );
  const path = join(folder, "snapshots", commit);
  if (!(await exists(path)))
    throw inputError({
      what: `${id} is not in the Hugging Face cache`,
      file: path,
      next: `download it first: hf download ${repository}`,
    });
  return { path, name: basename(repository) };
}

/** A folder's own name, or the repository's for a snapshot of the cache. */
function checkpointName(location: string): string {
  const path = resolve(location);
  const inCache = /models--(?:[^/\\]+)--([^/\\]+)[/\\]snapshots[/\\][^/\\]+$/.exec(path);
  return inCache ? inCache[1] : basename(path, ".gguf");
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
