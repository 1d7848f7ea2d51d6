import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import { dataError, usageError } from "../lib/errors.ts";
import type { HttpClient } from "./http-client.ts";
import { checkedFiles, encodedName } from "./listing.ts";
import { metadataFetch } from "./metadata-fetch.ts";
import { listFolder } from "./plain-folder.ts";
import { shownText } from "./request-error.ts";
import type { RetryOptions } from "./retry.ts";
import { checkRevision, HUB_ID, isDataset, isFolderAddress, withoutType } from "./source-names.ts";

/** A file that lies elsewhere. */
export interface RemoteFile {
  /** Path in the repository, with "/": never absolute, without "..", backslashes and control characters. */
  readonly name: string;
  readonly byteLength: number;
  /** Pinned to the commit; https:// or file://. */
  readonly url: string;
  /** Of LFS files, and of folders with a SHA256SUMS. */
  readonly sha256?: string;
  /** Git blob hash of other files. */
  readonly gitSha1?: string;
  /** Name in the chunk storage (Xet), where that has it. */
  readonly xetHash?: string;
}

/** A repository at one commit, or a plain folder, which has none. Its files are in the order of their names. */
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

export interface ListOptions extends Omit<RetryOptions, "what"> {
  /** A branch, a tag, a commit (abbreviated too) or refs/pr/N. */
  readonly revision?: string;
  /** https:// or file:// folder that has the bytes. What they must be still comes from the Hub, so it need not be trusted. */
  readonly mirror?: string;
}

/**
 * Lists a repository (`org/name`, `datasets/org/name`) at the commit that a revision stands for now, or a plain folder
 * (https://… or file://…), whose files are found from config.json, the index and the names that releases have. Errors: no
 * such repository or revision (66), not permitted (77), a listing that cannot be true or would lead out of a folder (65).
 */
export async function listRepository(
  client: HttpClient,
  id: string,
  options: ListOptions = {},
): Promise<Repository> {
  const { revision = "main", mirror, ...retry } = options;
  if (isFolderAddress(id)) {
    if (mirror !== undefined)
      throw usageError({ what: "a mirror is for a repository of the Hub", found: "a folder as the source" });
    return listFolder(client, id, retry);
  }
  if (!HUB_ID.test(id))
    throw usageError({
      what: "not a repository of the Hub",
      expected: "org/name or datasets/org/name",
      found: id,
    });
  if (mirror !== undefined && !isFolderAddress(mirror))
    throw usageError({
      what: "not the address of a mirror",
      expected: "https://… or file://…",
      found: shownText(mirror, client.settings.token),
    });
  checkRevision(revision);
  const { token, endpoint } = client.settings;
  const through = { hubUrl: endpoint, fetch: metadataFetch(client, { ...retry, what: `listing ${id}` }) };
  const asked = { name: withoutType(id), revision, additionalFields: ["sha" as const], ...through };
  const { sha } = await (isDataset(id) ? datasetInfo(asked) : modelInfo(asked));
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha))
    throw dataError({
      what: "the Hub's answer has no commit",
      file: id,
      expected: "40 hexadecimal digits",
      found: shownText(String(sha), token, 60),
    });
  if (/^[0-9a-f]{40}$/.test(revision) && sha !== revision)
    throw dataError({ what: "the Hub speaks of another commit", file: id, expected: revision, found: sha });
  const folder = mirror?.replace(/\/*$/, "") ?? `${endpoint}/${id}/resolve/${sha}`;
  return {
    id,
    name: id.slice(id.lastIndexOf("/") + 1),
    revision,
    commit: sha,
    location: `${endpoint}/${id}/tree/${sha}`,
    files: await checkedFiles(listFiles({ repo: id, revision: sha, recursive: true, ...through }), {
      place: id,
      urlOf: (name) => `${folder}/${encodedName(name)}`,
    }),
  };
}
