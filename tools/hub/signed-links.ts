import type { HttpClient, HttpResponse } from "./http-client.ts";
import type { RemoteFile } from "./repository.ts";
import { RequestError } from "./request-error.ts";

/** Of every client and file: the link to the bytes that the Hub last gave. Links are as many as files, and short. */
const LINKS = new WeakMap<HttpClient, Map<string, string>>();

/** How storage refuses a link whose time is over (S3 says 400 or 403, others what they like). */
const EXPIRED: readonly (number | undefined)[] = [400, 401, 403, 404, 410];

/** Forgets where the bytes of a file are, so that the Hub is asked again. */
export const forgetLink = (client: HttpClient, { url }: RemoteFile): boolean | undefined =>
  LINKS.get(client)?.delete(url);

/**
 * Asks for a range: at the link that the Hub gave for this file, or at the Hub. A link that has expired is no failure, one
 * that is refused right after it was given is one that may pass: clocks of storage and Hub differ.
 */
export async function askForRange(
  client: HttpClient,
  file: RemoteFile,
  range: { readonly start: number; readonly end: number; readonly signal?: AbortSignal },
): Promise<HttpResponse> {
  const { start, end, signal } = range;
  const options = { headers: { range: `bytes=${start}-${end - 1}` }, ...(signal && { signal }) };
  const links = LINKS.get(client) ?? new Map<string, string>();
  LINKS.set(client, links);
  const link = links.get(file.url);
  if (link !== undefined) {
    try {
      return await client.request(link, options);
    } catch (error) {
      if (!isExpiry(error)) throw error;
      // Another range of the file may have a new one by now.
      if (links.get(file.url) === link) links.delete(file.url);
    }
  }
  const { origin } = new URL(file.url);
  try {
    const answer = await client.request(file.url, options);
    if (new URL(answer.url).origin !== origin) links.set(file.url, answer.url);
    return answer;
  } catch (error) {
    if (isExpiry(error) && error.facts.origin !== origin)
      throw new RequestError(error.kind, error.fault, { ...error.facts, retryable: true, cause: error });
    throw error;
  }
}

/** Whether storage refused a link that may have served before. */
export const isExpiry = (error: unknown): error is RequestError =>
  error instanceof RequestError && EXPIRED.includes(error.facts.status);
