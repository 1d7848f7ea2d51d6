import type { RemoteFile } from "./repository.ts";

/** Where a repository's files end up: the cache that Python's huggingface_hub shares, or a folder of the user's. */
export interface Destination {
  /** The folder that has the repository's files under their names. */
  readonly folder: string;
  /** True where the file is there, whole: then nothing is written. */
  holds(file: RemoteFile): Promise<boolean>;
  /** True where the content is there under another name, and only `adopt` is missing. */
  holdsContent(file: RemoteFile): Promise<boolean>;
  /** Path of what belongs to an unfinished file, without its suffix. */
  unfinished(file: RemoteFile): string;
  /** Makes the folders that a file needs. */
  prepare(file: RemoteFile): Promise<void>;
  /** Gives a file its final name: what lies at `from`, complete and synced, or content that is there already. */
  adopt(file: RemoteFile, from: string | undefined): Promise<void>;
  /** When every file is there. */
  finish(): Promise<void>;
}

/** Files of a download that is not finished. Python removes `*.incomplete` when it tidies up, so that is not their name. */
export const partialPath = (unfinished: string): string => `${unfinished}.partial`;
export const journalPath = (unfinished: string): string => `${unfinished}.journal`;

/** The name that Python gives to a content: the ETag that the Hub answers. */
export const etagOf = ({ sha256, gitSha1 }: RemoteFile): string | undefined => sha256 ?? gitSha1;
