import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder, removeFile, renameDurably } from "../lib/disk.ts";
import { dataError, usageError } from "../lib/errors.ts";
import { linkOrPlace } from "../lib/links.ts";
import { type Destination, etagOf, journalPath } from "./destination.ts";
import type { RemoteFile, Repository } from "./repository.ts";
import { writeSharedFile } from "./shared-file.ts";
import { checkFileName, checkRevision, storeName } from "./source-names.ts";
import { writeTreeListing } from "./tree-listing.ts";

/**
 * The cache that Python's huggingface_hub reads and writes:
 *
 *     CACHEDIR.TAG
 *     models--ORG--NAME/blobs/ETAG                   the bytes; the ETag is the SHA-256 of LFS files, else git's hash
 *                       snapshots/COMMIT/PATH        -> ../../blobs/ETAG, relative, one ".." more for each folder
 *                       trees/COMMIT.json            what belongs to a commit
 *                       refs/REVISION                the commit, without a newline
 *     .locks/models--ORG--NAME/ETAG.lock             Python's own
 *
 * A dataset's folder is datasets--ORG--NAME.
 * A reference to a commit without a snapshot is corruption to Python, and so is a repository without `snapshots`. So
 * the snapshot's folder comes first and the reference last.
 */
export function cacheDestination(cacheFolder: string, repository: Repository): Destination {
  const { id, commit, revision } = repository;
  if (commit === undefined)
    throw usageError({
      what: "a plain folder has no commits, so the cache has no place for it",
      found: id,
      next: "give --local-dir FOLDER",
    });
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw dataError({ what: "the Hub names a commit that is none", file: id, found: commit });
  const store = join(cacheFolder, storeName(id));
  const snapshot = join(store, "snapshots", commit);
  const blobOf = (file: RemoteFile): string => {
    const etag = etagOf(file);
    if (etag === undefined)
      throw dataError({
        what: "the Hub does not say what the file holds, so the cache has no name for it",
        file: file.name,
        next: "give --local-dir FOLDER",
      });
    return join(store, "blobs", etag);
  };
  const pathOf = ({ name }: RemoteFile): string => join(snapshot, ...checkFileName(name, id).split("/"));
  let listing: Promise<void> | undefined;
  const writeListing = (): Promise<void> => {
    listing ??= writeTreeListing(store, commit, repository.files);
    return listing;
  };
  return {
    folder: snapshot,
    holds: async (file) => (await sizeOf(pathOf(file))) === file.byteLength,
    holdsContent: async (file) => (await sizeOf(blobOf(file))) === file.byteLength,
    unfinished: (file) => `${blobOf(file)}.v4kit`,
    async prepare(file) {
      await makeFolder(dirname(pathOf(file)));
      await makeFolder(join(store, "blobs"));
      await writeListing();
      await tagFolder(cacheFolder);
    },
    async adopt(file, from) {
      const blob = blobOf(file);
      if (from !== undefined) await renameDurably(from, blob);
      await removeFile(journalPath(this.unfinished(file)));
      await writeListing();
      await makeFolder(dirname(pathOf(file)));
      await linkOrPlace(blob, pathOf(file), { movable: from !== undefined });
    },
    async finish() {
      if (revision === commit) return;
      checkRevision(revision);
      const path = join(store, "refs", ...revision.split("/"));
      if ((await readRef(path)) !== commit) await writeSharedFile(path, commit, store);
    },
  };
}

const readRef = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);

/** Size of a file, through links; undefined where there is none. */
async function sizeOf(path: string): Promise<number | undefined> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.isFile() ? facts.size : undefined;
}

/** Lets back-up programs pass the cache over; https://bford.info/cachedir has the format. */
export async function tagFolder(folder: string): Promise<void> {
  const path = join(folder, "CACHEDIR.TAG");
  if ((await sizeOf(path)) !== undefined) return;
  const text = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache that can be filled again.\n";
  await writeSharedFile(path, text, folder).catch(() => {});
}
