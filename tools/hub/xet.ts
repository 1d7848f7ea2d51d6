import { ReadableStream } from "node:stream/web";
import { downloadFile } from "@huggingface/hub";
import { MAX_RECONSTRUCTION_BYTES } from "../lib/limits.ts";
import { type ByteRange, type BytesSink, fetchRange, type RangeFetcher } from "./fetch-range.ts";
import type { HttpClient, HttpResponse } from "./http-client.ts";
import { readWhole } from "./metadata-fetch.ts";
import type { RemoteFile, Repository } from "./repository.ts";
import { RequestError, shownText, shownUrl, wrongAnswer } from "./request-error.ts";
import { isExpiry } from "./signed-links.ts";
import { isAsSafe, openXetAccess, withoutToken, type XetAccess, type XetGrant } from "./xet-access.ts";

/**
 * What the library gets instead of a token, which it would keep for all of the process: the real one is put in here, where
 * the host is known. A time in the past makes it ask again every time.
 */
const NO_TOKEN = { accessToken: "v4kit", exp: 0 };

/**
 * Fetches ranges from the chunk storage behind the Hub (Xet). @huggingface/hub puts them together from chunks; its requests
 * are sent by our client. It takes flipped bits and answers to other ranges as they come, repeats nothing and lets go of no
 * body after a fault: so an attempt is one range, as in fetchRange, with the same errors, and the file's hash proves what
 * came. A file that the storage does not have is fetched from the Hub itself.
 */
export function xetRanges(client: HttpClient, repository: Repository): RangeFetcher {
  const access = openXetAccess(client, repository);
  return async (file, range, onBytes) => {
    const { xetHash } = file;
    if (xetHash === undefined || range.start === range.end) return fetchRange(client, file, range, onBytes);
    range.signal?.throwIfAborted();
    const ending = new AbortController();
    const end = (): void => ending.abort(range.signal?.reason);
    range.signal?.addEventListener("abort", end);
    // The library makes texts of some errors, so ours are remembered.
    const faults: unknown[] = [];
    try {
      const grant = await access.grant();
      const blob = await downloadFile({
        repo: repository.id,
        path: file.name,
        fetch: libraryFetch({ client, access, grant, signal: ending.signal, faults }),
        // With it the library asks the Hub nothing; it makes the address of version 2 itself.
        downloadInfo: {
          size: file.byteLength,
          etag: "",
          url: file.url,
          xet: {
            hash: xetHash,
            refreshUrl: access.refreshUrl,
            reconstructionUrl: new URL(`${grant.casUrl}/v1/reconstructions/${xetHash}`),
          },
        },
        // Connections are ours to count, and a range in order needs no buffer.
        parallelDownloads: false,
      });
      if (!blob) throw new TypeError("no blob");
      const stream = blob.slice(range.start, range.end).stream() as ReadableStream<Uint8Array>;
      const refuse = (error: unknown): never => {
        range.signal?.throwIfAborted();
        throw faults[0] ?? readable(error, file, client.settings.token);
      };
      await passOn(stream, { file, range, onBytes, refuse, end });
    } finally {
      range.signal?.removeEventListener("abort", end);
      end();
    }
  };
}

interface Passage {
  readonly file: RemoteFile;
  readonly range: ByteRange;
  readonly onBytes: BytesSink;
  /** Throws what an error of the library stands for. */
  readonly refuse: (error: unknown) => never;
  /** Ends all requests under way. */
  readonly end: () => void;
}

async function passOn(
  stream: ReadableStream<Uint8Array>,
  { file, range, onBytes, refuse, end }: Passage,
): Promise<void> {
  const reader = stream.getReader();
  let position = range.start;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(refuse);
      if (done || position + value.length > range.end) break;
      await onBytes(value, position);
      position += value.length;
    }
  } finally {
    // A library that waits for the network does not hear that nobody reads any more.
    end();
    reader.cancel().catch(() => {});
  }
  if (position !== range.end)
    throw wrongAnswer({
      what: "the chunk storage gave another number of bytes",
      file: file.name,
      expected: `${range.end - range.start}`,
      found: `${position - range.start}`,
    });
}

interface LibraryFetch {
  readonly client: HttpClient;
  readonly access: XetAccess;
  readonly grant: XetGrant;
  readonly signal: AbortSignal;
  readonly faults: unknown[];
}

/** The `fetch` of one attempt: the storage's token goes to the storage, and addresses of chunks are asked without any. */
function libraryFetch({ client, access, grant, signal, faults }: LibraryFetch): typeof fetch {
  const hubToken = client.settings.token;
  const sendTo = async (url: string, headers: Headers): Promise<Response> => {
    // Only the question of what a range is made of is sent with a token.
    const asksCas = headers.has("authorization");
    const allowed = asksCas ? new URL(url).origin === new URL(grant.casUrl).origin : true;
    if (!allowed || !isAsSafe(url, access.refreshUrl))
      throw wrongAnswer({
        what: "the chunk storage leads elsewhere",
        found: shownText(url.split("?")[0], hubToken),
      });
    const range = headers.get("range") ?? "";
    const authorization = asksCas ? { authorization: `Bearer ${grant.token}` } : {};
    try {
      const answer = await client.request(url, { headers: { range, ...authorization }, signal });
      if (asksCas) return new Response(await readWhole(answer, MAX_RECONSTRUCTION_BYTES, hubToken));
      await checkChunks(answer, range, hubToken);
      return new Response(ReadableStream.from(remembering(answer.body, faults)), answer);
    } catch (error) {
      if (!isExpiry(error)) throw error instanceof RequestError ? withoutToken(error, grant) : error;
      // The library takes this as a reason to ask for new addresses, once.
      if (!asksCas) return new Response(null, { status: 403 });
      if (error.facts.status !== 404) access.forget(grant);
      const { kind, fault, facts } = withoutToken(error, grant);
      throw new RequestError(kind, fault, { ...facts, retryable: facts.status !== 404 });
    }
  };
  return async (input, init) => {
    const url = String(input);
    if (url === access.refreshUrl.href) return Response.json({ ...NO_TOKEN, casUrl: grant.casUrl });
    try {
      return await sendTo(url, new Headers(init?.headers));
    } catch (error) {
      faults.push(error);
      throw error;
    }
  };
}

/** Refuses chunks that were not asked for: the library would take them for those that were. */
async function checkChunks(answer: HttpResponse, range: string, token: string | undefined): Promise<void> {
  const given = answer.headers["content-range"]?.replace(/^bytes (\d+-\d+)\/.*$/, "bytes=$1");
  if (answer.status === 206 && (range.includes(",") || given === range)) return;
  await answer.drop();
  throw wrongAnswer({
    what: "not the chunks that were asked for",
    file: shownUrl(answer.url, token),
    expected: `status 206, ${range}`,
    found: `status ${answer.status}, ${shownText(given ?? "no range", token, 80)}`,
  });
}

async function* remembering(body: AsyncIterable<Uint8Array>, faults: unknown[]): AsyncIterable<Uint8Array> {
  try {
    // The library copies with slice(), which a Buffer's does not, and gives its copies away.
    for await (const { buffer, byteOffset, byteLength } of body)
      yield new Uint8Array(buffer, byteOffset, byteLength);
  } catch (error) {
    faults.push(error);
    throw error;
  }
}

/** What the library says of chunks that it cannot put together. */
function readable(error: unknown, file: RemoteFile, token: string | undefined): unknown {
  if (error instanceof RequestError) return error;
  // Its messages may end with an address.
  const said = (error instanceof Error ? error.message : String(error)).replace(/\?\S+/g, "");
  return wrongAnswer({
    what: "the chunk storage's answer cannot be put together",
    file: file.name,
    found: shownText(said, token),
    next: "run the same command again, without --transfer xet if that does not help",
  });
}
