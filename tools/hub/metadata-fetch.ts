import { dataError } from "../lib/errors.ts";
import { MAX_LISTING_PAGE_BYTES, MAX_LISTING_PAGES } from "../lib/limits.ts";
import { formatBytes } from "../lib/units.ts";
import type { HttpClient, HttpResponse } from "./http-client.ts";
import { shownText, shownUrl, wrongAnswer } from "./request-error.ts";
import { type RetryOptions, retrying } from "./retry.ts";

/**
 * The `fetch` that @huggingface/hub lists with: a page is read whole, within bounds, and repeated by itself when it fails.
 * The library gets no token, so it has none to send; the client adds it where it belongs.
 */
export function metadataFetch(client: HttpClient, retry: RetryOptions): typeof fetch {
  let pages = 0;
  return (input) => {
    const url = input instanceof Request ? input.url : String(input);
    if (++pages > MAX_LISTING_PAGES)
      throw dataError({
        what: `a listing of more than ${MAX_LISTING_PAGES} pages`,
        file: shownUrl(url, client.settings.token),
      });
    return retrying(async () => {
      const answer = await client.request(url, {
        headers: { accept: "application/json" },
        ...(retry.signal && { signal: retry.signal }),
      });
      const bytes = await readWhole(answer, MAX_LISTING_PAGE_BYTES, client.settings.token);
      checkJson(bytes, answer, client.settings.token);
      return new Response(bytes, { status: answer.status, headers: answer.headers });
    }, retry);
  };
}

/** The body of an answer, refused where it is larger than `maxBytes`. */
export async function readWhole(
  { body, url }: HttpResponse,
  maxBytes: number,
  token: string | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  for await (const part of body) {
    byteLength += part.length;
    if (byteLength > maxBytes)
      throw dataError({
        what: "unreasonably large",
        file: shownUrl(url, token),
        expected: `at most ${formatBytes(maxBytes)}`,
      });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function checkJson(bytes: Uint8Array, { url }: HttpResponse, token: string | undefined): void {
  const text = new TextDecoder().decode(bytes);
  try {
    const value = JSON.parse(text) as unknown;
    // Pages are arrays, what is said of a model is an object; the library does not look.
    const isPage = new URL(url).pathname.includes("/tree/");
    if (isPage ? Array.isArray(value) : typeof value === "object" && value !== null) return;
  } catch {}
  throw wrongAnswer({
    what: "the answer is not what the Hub's interface gives",
    file: shownUrl(url, token),
    expected: "JSON",
    found: shownText(text, token, 80),
    next: "check HF_ENDPOINT and the proxy",
  });
}
