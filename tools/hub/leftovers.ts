import { lstat } from "node:fs/promises";
import { removeFile } from "../lib/disk.ts";
import { lockPathOf, tryLockOutput } from "../lib/output-lock.ts";
import { type Destination, journalPath, partialPath } from "./destination.ts";
import type { RemoteFile } from "./repository.ts";

/**
 * Removes what an earlier run left of a file that is here by now: where Python completed it, nobody else would ever tidy
 * up its tens of gigabytes. Not while another process is at it.
 */
export async function removeLeftovers(file: RemoteFile, destination: Destination): Promise<void> {
  const unfinished = destination.unfinished(file);
  const paths = [partialPath(unfinished), journalPath(unfinished)];
  const isThere = await Promise.all([...paths, lockPathOf(unfinished)].map(exists));
  if (!isThere.includes(true)) return;
  try {
    const release = await tryLockOutput(unfinished);
    if (typeof release !== "function") return;
    for (const path of paths) await removeFile(path);
    await release();
  } catch {
    // A cache that is whole serves from a read-only disk too.
  }
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
