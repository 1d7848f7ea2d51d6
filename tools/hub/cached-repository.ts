import { join } from "node:path";
import { V4Error } from "../lib/errors.ts";
import { readOptionalFile } from "../lib/files.ts";
import { MAX_LISTING_PAGE_BYTES } from "../lib/limits.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { cachedCommit } from "./cached-snapshot.ts";
import type { DownloadPlan } from "./download-plan.ts";
import { checkedFiles, encodedName, type ListedEntry } from "./listing.ts";
import type { Repository } from "./repository.ts";
import { storeName } from "./source-names.ts";

export interface CachedListing {
  readonly cacheFolder: string;
  readonly endpoint: string;
  readonly id: string;
  readonly revision: string;
}

/** As `trees/COMMIT.json` has it; Python writes null for what it does not know. */
interface TreeEntry {
  readonly size: number;
  readonly blob_id?: string | null;
  readonly lfs_sha256?: string | null;
  readonly lfs_size?: number | null;
}

const OFFLINE = "HF_HUB_OFFLINE forbids the network";

/**
 * A repository as the cache remembers it, without asking the network: what belongs to the commit says the listing that
 * was kept. Errors: the cache has none (69), or one that is not believable (65).
 */
export async function cachedRepository(listing: CachedListing): Promise<Repository> {
  const { cacheFolder, endpoint, id, revision } = listing;
  const store = join(cacheFolder, storeName(id));
  const commit = await cachedCommit(store, revision);
  const path = join(store, "trees", `${commit}.json`);
  const bytes = commit === undefined ? undefined : await readOptionalFile(path, MAX_LISTING_PAGE_BYTES);
  if (commit === undefined || bytes === undefined)
    throw new V4Error("unavailable", {
      what: `${OFFLINE}, and the cache does not know what ${id}@${revision} consists of`,
      file: store,
      next: "unset it, or put the files into the cache",
    });
  const { files } = (parseStrictJson(bytes, path) ?? {}) as { files?: Readonly<Record<string, TreeEntry>> };
  return {
    id,
    name: id.slice(id.lastIndexOf("/") + 1),
    revision,
    commit,
    location: `${endpoint}/${id}/tree/${commit}`,
    files: await checkedFiles(
      Object.entries(files ?? {}).map(([name, entry]) => listedEntry(name, entry)),
      { place: path, urlOf: (name) => `${endpoint}/${id}/resolve/${commit}/${encodedName(name)}` },
    ),
  };
}

function listedEntry(path: string, entry: TreeEntry): ListedEntry {
  const { size, blob_id, lfs_sha256, lfs_size } = entry ?? {};
  return {
    type: "file",
    path,
    size,
    ...(blob_id != null && { oid: blob_id }),
    ...(lfs_sha256 != null && { lfs: { oid: lfs_sha256, size: lfs_size ?? size } }),
  };
}

/** Refuses a plan that would need the network. */
export function checkWhole({ repository, folder, files }: DownloadPlan): void {
  const missing = files.filter(({ state }) => state === "partial" || state === "missing");
  if (missing.length === 0) return;
  const names = missing.slice(0, 3).map(({ file }) => file.name);
  throw new V4Error("unavailable", {
    what: `${OFFLINE}, and ${repository.id}@${repository.revision} is not whole`,
    file: folder,
    found: `no ${names.join(", ")}${missing.length > 3 ? ` and ${missing.length - 3} more` : ""}`,
    next: "unset it, or put the files into the cache",
  });
}
