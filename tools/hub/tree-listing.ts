import { createHash } from "node:crypto";
import { join } from "node:path";
import { makeFolder } from "../lib/disk.ts";
import { exists } from "./cached-snapshot.ts";
import type { RemoteFile } from "./repository.ts";
import { writeSharedFile } from "./shared-file.ts";

/**
 * Writes what a commit consists of, as Python's huggingface_hub does since 2.0: `trees/COMMIT.json`. Without it Python
 * takes a snapshot that was interrupted, or that `--include` made, for the whole of it.
 */
export async function writeTreeListing(
  store: string,
  commit: string,
  files: readonly RemoteFile[],
): Promise<void> {
  const folder = join(store, "trees");
  const path = join(folder, `${commit}.json`);
  // A commit never changes; what is there is as good as ours.
  if (await exists(path)) return;
  const listing = {
    format_version: 1,
    files: Object.fromEntries(files.map((file) => [file.name, entryOf(file)])),
  };
  const text = JSON.stringify(listing, null, 1).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  await makeFolder(folder);
  await writeSharedFile(path, text, store);
}

function entryOf({ byteLength: size, sha256, gitSha1, xetHash }: RemoteFile) {
  if (sha256 === undefined) return { size, blob_id: gitSha1 };
  // What git keeps of a file in LFS is a pointer to it.
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;
  const blob_id = createHash("sha1").update(`blob ${pointer.length}\0${pointer}`).digest("hex");
  return { size, blob_id, lfs_sha256: sha256, lfs_size: size, xet_hash: xetHash };
}
