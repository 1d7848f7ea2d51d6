import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { etagOf } from "./destination.ts";
import type { HttpClient } from "./http-client.ts";
import type { RemoteFile } from "./repository.ts";
import { retrying } from "./retry.ts";

/**
 * What a file holds, whatever it is called and wherever it lies: its hash; where none is known its address with what the
 * server calls this version of it. A server that has no names for versions gives a key that no later run repeats.
 */
export async function contentKey(
  client: HttpClient,
  file: RemoteFile,
  signal?: AbortSignal,
): Promise<string> {
  const etag = etagOf(file);
  if (etag !== undefined) return `${file.sha256 ? "sha256" : "git"}:${etag}`;
  const address = file.url.replace(/[?#].*$/s, "");
  return `${address} ${(await versionOf(client, file, signal)) ?? `as of ${new Date().toISOString()}`}`;
}

async function versionOf(
  client: HttpClient,
  { name, url }: RemoteFile,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (url.startsWith("file:")) return String((await stat(fileURLToPath(url))).mtimeMs);
  const { headers } = await retrying(
    async () => {
      const answer = await client.request(url, { method: "HEAD", ...(signal && { signal }) });
      await answer.drop();
      return answer;
    },
    { what: name, ...(signal && { signal }) },
  );
  return headers.etag ?? headers["last-modified"];
}
