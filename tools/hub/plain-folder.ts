import pLimit from "p-limit";
import { dataError, usageError } from "../lib/errors.ts";
import { HEADER_READS, MAX_CONFIG_BYTES, MAX_INDEX_BYTES } from "../lib/limits.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { SIDECAR_NAMES } from "../model/sidecar-names.ts";
import { diskFolder, type FolderAddress, missingFile, webFolder } from "./folder-address.ts";
import type { HttpClient } from "./http-client.ts";
import { checkedFiles, encodedName } from "./listing.ts";
import type { Repository } from "./repository.ts";
import { shownText, shownUrl } from "./request-error.ts";
import type { RetryOptions } from "./retry.ts";
import { checkFileName } from "./source-names.ts";

const INDEX = "model.safetensors.index.json";

/**
 * Lists a plain folder: what config.json and the index name, and the files that releases have beside them. Hashes are
 * those of its SHA256SUMS; without one nothing that comes from there can be verified. Errors: no config.json or shard (66).
 */
export async function listFolder(
  client: HttpClient,
  address: string,
  options: Omit<RetryOptions, "what">,
): Promise<Repository> {
  const base = folderUrl(address, client.settings.token);
  const location = shownUrl(base, client.settings.token);
  const folder =
    base.protocol === "file:" ? diskFolder : webFolder(client, { ...options, what: `reading ${location}` });
  const urlOf = (name: string): string => new URL(encodedName(name), base).href;
  const required = ["config.json", ...(await tensorFiles(folder, urlOf, location))];
  const names = [...required, ...SIDECAR_NAMES, "README.md", "LICENSE"];
  const sums = await checksums(folder, urlOf("SHA256SUMS"), location);
  const limit = pLimit(HEADER_READS);
  const sizes = await limit.map([...new Set(names)], async (path) => {
    const size = await folder.sizeOf(urlOf(path));
    if (size === undefined && required.includes(path)) throw missingFile(location, path);
    return { path, size };
  });
  const present = sizes.filter((entry): entry is { path: string; size: number } => entry.size !== undefined);
  return {
    id: base.href,
    name: folderName(base),
    revision: "",
    location,
    files: await checkedFiles(
      present.map(({ path, size }) => {
        const oid = sums.get(path);
        return { type: "file", path, size, ...(oid !== undefined && { lfs: { oid, size } }) };
      }),
      { place: location, urlOf },
    ),
  };
}

function folderUrl(address: string, token: string | undefined): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || url.search || url.hash || url.username || url.password)
    throw usageError({
      what: "not the address of a folder",
      expected: "https://HOST/PATH/ or file:///PATH/, without password and query",
      found: shownText(address.split(/[?#]/)[0].replace(/\/\/[^/]*@/, "//"), token),
    });
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

function folderName({ pathname, hostname }: URL): string {
  const last = pathname.split("/").filter(Boolean).at(-1) ?? hostname;
  return last.replace(/%[0-9a-f]{2}|[^\w.-]/gi, "-").replace(/^\.+/, "") || "checkpoint";
}

/** The index and the shards it names, or the one file of a small checkpoint. */
async function tensorFiles(
  folder: FolderAddress,
  urlOf: (name: string) => string,
  location: string,
): Promise<string[]> {
  const bytes = await folder.read(urlOf(INDEX), MAX_INDEX_BYTES);
  if (!bytes) return ["model.safetensors"];
  return [INDEX, ...shardsOf(bytes, `${location}${INDEX}`)];
}

/** The distinct shards that an index names. Errors: an index that is none, or that names files elsewhere (65). */
export function shardsOf(index: Uint8Array, file: string): string[] {
  const { weight_map: map } = (parseStrictJson(index, file) ?? {}) as { weight_map?: unknown };
  if (typeof map !== "object" || map === null || Array.isArray(map))
    throw dataError({ what: "the index has no weight_map", file });
  return [...new Set(Object.values(map))].map((name) => checkFileName(name, file)).sort();
}

/** Lines of `sha256sum`: 64 digits, a space, a space or `*`, a name. */
async function checksums(
  folder: FolderAddress,
  url: string,
  location: string,
): Promise<ReadonlyMap<string, string>> {
  const bytes = await folder.read(url, MAX_CONFIG_BYTES);
  const lines = bytes ? new TextDecoder().decode(bytes).split(/\r?\n/) : [];
  return new Map(
    lines
      .filter((line) => line.trim() !== "")
      .map((line) => {
        const [, hash, name] = /^([0-9a-fA-F]{64}) [ *](?:\.\/)?(.+)$/.exec(line) ?? [];
        if (hash === undefined)
          throw dataError({ what: "not a line of sha256sum", file: `${location}SHA256SUMS`, found: line });
        return [name, hash.toLowerCase()] as const;
      }),
  );
}
