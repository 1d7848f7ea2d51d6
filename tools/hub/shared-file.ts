import { basename, join } from "node:path";
import { writeFileAtomic } from "../lib/disk.ts";

/**
 * Writes a small file of the cache that other processes may be writing too. What a killed one leaves stays in `folder`: in
 * `refs` Python would take it for a reference.
 */
export const writeSharedFile = (path: string, text: string, folder: string): Promise<void> =>
  writeFileAtomic(
    path,
    new TextEncoder().encode(text),
    join(folder, `${basename(path)}.${process.pid}.v4kit.partial`),
  );
