import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder, removeFile, renameDurably, writeFileAtomic } from "../lib/disk.ts";
import { readOptionalFile } from "../lib/files.ts";
import { MAX_CONFIG_BYTES } from "../lib/limits.ts";
import { tagFolder } from "./cache.ts";
import { type Destination, etagOf, journalPath } from "./destination.ts";
import type { RemoteFile, Repository } from "./repository.ts";
import { checkFileName } from "./source-names.ts";

/** Seconds by which a file system's clock may differ from ours; Python allows as many. */
const CLOCK_SECONDS = 1;

/**
 * A folder of the user's, with a note beside each file as Python's `local_dir` keeps it:
 * `.cache/huggingface/download/PATH.metadata`, three lines: commit, ETag, and the time in seconds when both were true.
 * A file that is younger than its note is not believed.
 */
export function localDestination(folder: string, repository: Repository): Destination {
  const notes = join(folder, ".cache", "huggingface");
  const steps = ({ name }: RemoteFile): string[] => checkFileName(name, repository.id).split("/");
  const pathOf = (file: RemoteFile): string => join(folder, ...steps(file));
  const noteOf = (file: RemoteFile): string => `${join(notes, "download", ...steps(file))}.metadata`;
  const note = (file: RemoteFile): Promise<void> =>
    writeFileAtomic(
      noteOf(file),
      new TextEncoder().encode(
        `${[repository.commit ?? "", etagOf(file) ?? "", Date.now() / 1000].join("\n")}\n`,
      ),
    );
  return {
    folder,
    async holds(file) {
      const facts = await stat(pathOf(file)).catch(() => undefined);
      if (!facts?.isFile() || facts.size !== file.byteLength) return false;
      const noted = await readOptionalFile(noteOf(file), MAX_CONFIG_BYTES);
      if (noted === undefined) return false;
      const [, etag, seconds] = new TextDecoder().decode(noted).split("\n");
      return etag === (etagOf(file) ?? "") && facts.mtimeMs / 1000 - CLOCK_SECONDS <= Number(seconds);
    },
    holdsContent: async () => false,
    unfinished: (file) => `${join(notes, "download", ...steps(file))}.v4kit`,
    async prepare(file) {
      await makeFolder(dirname(pathOf(file)));
      await makeFolder(dirname(noteOf(file)));
      await tagFolder(notes);
    },
    async adopt(file, from) {
      if (from !== undefined) await renameDurably(from, pathOf(file));
      await removeFile(journalPath(this.unfinished(file)));
      await note(file);
    },
    finish: async () => {},
  };
}
