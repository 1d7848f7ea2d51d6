import { dataError } from "../lib/errors.ts";
import { MAX_FILE_BYTES, MAX_LISTED_FILES } from "../lib/limits.ts";
import type { RemoteFile } from "./repository.ts";
import { checkFileName } from "./source-names.ts";

/** What a listing says of one entry, before anything of it is believed. */
export interface ListedEntry {
  readonly type: string;
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly xetHash?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

export interface ListingPlace {
  /** The repository or folder, for messages. */
  readonly place: string;
  urlOf(name: string): string;
}

/** A name as a part of a URL. */
export const encodedName = (name: string): string => name.split("/").map(encodeURIComponent).join("/");

/** The files of a listing, checked, in the order of their names. Errors: what cannot be true or must not be stored (65). */
export async function checkedFiles(
  entries: AsyncIterable<ListedEntry> | Iterable<ListedEntry>,
  { place, urlOf }: ListingPlace,
): Promise<readonly RemoteFile[]> {
  const files = new Map<string, RemoteFile>();
  const folders = new Set<string>();
  const refuse = (what: string, name: string, found?: unknown): never => {
    throw dataError({
      what: `the listing is not believable: ${what}`,
      file: `${place}: ${name}`,
      ...(found !== undefined && { found: String(found) }),
    });
  };
  for await (const entry of entries) {
    if (typeof entry !== "object" || entry === null) return refuse("an entry that is no object", "", entry);
    const name = checkFileName(entry.path, place);
    if (files.has(name)) refuse("a name appears twice", name);
    for (const parent of parentsOf(name)) folders.add(parent);
    if (entry.type === "directory") folders.add(name);
    if (folders.size > MAX_LISTED_FILES) refuse(`more than ${MAX_LISTED_FILES} folders`, name);
    if (entry.type !== "file") continue;
    const { size, lfs, oid, xetHash } = entry;
    if (!Number.isSafeInteger(size) || size < 0 || size > MAX_FILE_BYTES) refuse("a size", name, size);
    if (lfs && lfs.size !== size) refuse("two sizes", name, `${size} and ${lfs.size}`);
    if (lfs && !/^[0-9a-f]{64}$/.test(lfs.oid)) refuse("no SHA-256 of an LFS file", name, lfs.oid);
    if (!lfs && oid !== undefined && !/^[0-9a-f]{40}$/.test(oid)) refuse("no git hash", name, oid);
    if (xetHash !== undefined && !/^[0-9a-f]{64}$/.test(xetHash)) refuse("no Xet hash", name, xetHash);
    files.set(name, {
      name,
      byteLength: size,
      url: urlOf(name),
      ...(lfs ? { sha256: lfs.oid } : oid !== undefined && { gitSha1: oid }),
      ...(xetHash !== undefined && { xetHash }),
    });
    if (files.size > MAX_LISTED_FILES) refuse(`more than ${MAX_LISTED_FILES} files`, name);
  }
  for (const name of files.keys()) if (folders.has(name)) refuse("a file and a folder of one name", name);
  return [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function parentsOf(name: string): string[] {
  const parts = name.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
}
