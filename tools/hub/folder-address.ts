import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { inputError, systemError, usageError } from "../lib/errors.ts";
import { readSmallFile } from "../lib/files.ts";
import type { HttpClient } from "./http-client.ts";
import { readWhole } from "./metadata-fetch.ts";
import { RequestError, shownUrl, wrongAnswer } from "./request-error.ts";
import { type RetryOptions, retrying } from "./retry.ts";

/** A plain folder, on a web server or on this machine: files by URL, no listing. */
export interface FolderAddress {
  /** Bytes of a file, or undefined where there is none. */
  sizeOf(url: string): Promise<number | undefined>;
  /** A small file whole, or undefined where there is none. */
  read(url: string, maxBytes: number): Promise<Uint8Array | undefined>;
}

/** How servers say that there is nothing; buckets that may not be listed say 403. */
const ABSENT: readonly (number | undefined)[] = [403, 404, 410];

export const webFolder = (client: HttpClient, retry: RetryOptions): FolderAddress => {
  const { token } = client.settings;
  const signal = retry.signal && { signal: retry.signal };
  const orAbsent = async <T>(attempt: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await retrying(attempt, retry);
    } catch (error) {
      if (error instanceof RequestError && ABSENT.includes(error.facts.status)) return undefined;
      throw error;
    }
  };
  return {
    sizeOf: (url) =>
      orAbsent(async () => {
        const size = await sizeByHead(client, url, retry.signal);
        if (size !== undefined) return size;
        const answer = await client.request(url, { headers: { range: "bytes=0-0" }, ...signal });
        await answer.drop();
        const total = /\/(\d+)$/.exec(answer.headers["content-range"] ?? "")?.[1];
        const length = answer.status === 200 ? answer.headers["content-length"] : total;
        if (length === undefined || !/^\d+$/.test(length))
          throw wrongAnswer({
            what: "the server does not say how large the file is",
            file: shownUrl(url, token),
            expected: "Content-Length or Content-Range",
          });
        return Number(length);
      }),
    read: (url, maxBytes) =>
      orAbsent(async () => readWhole(await client.request(url, { ...signal }), maxBytes, token)),
  };
};

/** Some servers know no HEAD, signed links forbid it, and some give no length for it. */
async function sizeByHead(
  client: HttpClient,
  url: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  try {
    const answer = await client.request(url, { method: "HEAD", ...(signal && { signal }) });
    await answer.drop();
    const length = answer.headers["content-length"];
    return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined;
  } catch (error) {
    if (error instanceof RequestError && [400, 403, 405, 501].includes(error.facts.status ?? 0))
      return undefined;
    throw error;
  }
}

export const diskFolder: FolderAddress = {
  sizeOf: async (url) => {
    const path = localPath(url);
    try {
      const facts = await stat(path);
      return facts.isFile() ? facts.size : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw systemError(error, path);
    }
  },
  read: async (url, maxBytes) => {
    if ((await diskFolder.sizeOf(url)) === undefined) return undefined;
    return readSmallFile(localPath(url), maxBytes);
  },
};

const isMissing = (error: unknown): boolean =>
  ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");

export function localPath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw usageError({
      what: "not the address of a folder on this machine",
      expected: "file:///PATH",
      found: url,
    });
  }
}

export const missingFile = (location: string, name: string): Error =>
  inputError({
    what: `no ${name} there`,
    file: location,
    next: "name the folder that has config.json and the shards",
  });
