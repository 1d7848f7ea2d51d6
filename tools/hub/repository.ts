import type { HttpClient } from "./http-client.ts";

/** A file that lies elsewhere. */
export interface RemoteFile {
  /** Path in the repository, with "/". */
  readonly name: string;
  readonly byteLength: number;
  /** Pinned to the commit; https:// or file://. */
  readonly url: string;
  /** Of LFS files. */
  readonly sha256?: string;
  /** Git blob hash of other files. */
  readonly gitSha1?: string;
}

/** A repository (or plain folder) at one commit. `commit` is absent for a plain folder. */
export interface Repository {
  readonly id: string;
  /** Short name for default output names. */
  readonly name: string;
  readonly revision: string;
  readonly commit?: string;
  /** For messages and provenance. */
  readonly location: string;
  readonly files: readonly RemoteFile[];
}

export async function listRepository(
  _client: HttpClient,
  _id: string,
  _options: { readonly revision?: string; readonly mirror?: string } = {},
): Promise<Repository> {
  throw new Error("not yet");
}
