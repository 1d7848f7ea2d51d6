import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { readOptionalFile } from "../lib/files.ts";
import { MAX_INDEX_BYTES } from "../lib/limits.ts";
import { shardsOf } from "./plain-folder.ts";
import { storeName } from "./source-names.ts";

/** A snapshot in the cache, and the files that a checkpoint needs and it lacks: the first of them, when none is known. */
export interface CachedSnapshot {
  readonly path: string;
  readonly missing: readonly string[];
}

const INDEX = "model.safetensors.index.json";

/**
 * Finds the snapshot of a revision as huggingface_hub lays it out: a ref, a commit, or the beginning of a commit. Never
 * touches the network. Undefined where the cache knows nothing of that revision.
 */
export async function cachedSnapshot(
  cacheFolder: string,
  id: string,
  revision: string,
): Promise<CachedSnapshot | undefined> {
  const folder = join(cacheFolder, storeName(id));
  const commit = await cachedCommit(folder, revision);
  if (commit === undefined) return undefined;
  const path = join(folder, "snapshots", commit);
  if (!(await exists(path))) return undefined;
  return { path, missing: await missingFrom(path) };
}

/** The commit that a revision stood for when the cache last heard of it; `folder` is the repository's. */
export async function cachedCommit(folder: string, revision: string): Promise<string | undefined> {
  const ref = await readFile(join(folder, "refs", revision), "utf8").catch(() => undefined);
  // What a ref says becomes a path: hexadecimal digits are harmless, whatever their number.
  if (ref !== undefined && /^[0-9a-f]+$/.test(ref.trim())) return ref.trim();
  if (!/^[0-9a-f]{7,40}$/.test(revision)) return undefined;
  const commits = await readdir(join(folder, "snapshots")).catch(() => []);
  const matching = commits.filter((commit) => commit.startsWith(revision));
  return matching.length === 1 ? matching[0] : undefined;
}

async function missingFrom(path: string): Promise<string[]> {
  const index = await readOptionalFile(join(path, INDEX), MAX_INDEX_BYTES);
  const tensors = index ? shardsOf(index, join(path, INDEX)) : ["model.safetensors"];
  const missing: string[] = [];
  for (const name of ["config.json", ...tensors]) if (!(await exists(join(path, name)))) missing.push(name);
  // Without either, a release is what is likely to be wanted, and that has an index.
  return !index && missing.includes("model.safetensors")
    ? missing.map((name) => (name === "model.safetensors" ? INDEX : name))
    : missing;
}

/** Through links: a link whose blob is gone leads to nothing. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
