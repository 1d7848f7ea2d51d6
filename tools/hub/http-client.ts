import type { Dispatcher } from "undici";
import { usageError, V4Error } from "../lib/errors.ts";
import { MAX_DROPPED_BYTES, MAX_REFUSAL_BYTES, STALL_MS } from "../lib/limits.ts";
import { VERSION } from "../lib/package-root.ts";
import { openDispatcher } from "./dispatcher.ts";
import { fetchThrough } from "./fetch-through.ts";
import { networkError } from "./network-errors.ts";
import { nextHop } from "./redirects.ts";
import { refusalError } from "./refusals.ts";
import { shownText, shownUrl, wrongAnswer } from "./request-error.ts";
import type { HubSettings } from "./settings.ts";

export interface RequestOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** An answer's head; names of headers are in lower case. */
export interface ResponseHead {
  readonly url: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** The answer after redirects, always a success. Its body must be read to the end, left by `break`, or dropped. */
export interface HttpResponse extends ResponseHead {
  /** The redirects on the way: the Hub says there which file it points to. */
  readonly redirects: readonly ResponseHead[];
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of a body that nobody wants; its connection is kept where little is left of it. */
  drop(): Promise<void>;
}

export interface HttpClient {
  readonly settings: HubSettings;
  /**
   * One request. Redirects are followed here; the token goes to the endpoint's own origin alone. Errors: a V4Error for
   * every refusal and fault of the network, the signal's reason after an abort.
   */
  request(url: string, options?: RequestOptions): Promise<HttpResponse>;
  /** The same as a `fetch`, for @huggingface/hub: a refusal is thrown, not returned. */
  readonly fetch: typeof fetch;
  /** Ends what is under way and closes the connections. */
  close(): Promise<void>;
}

type Answer = Dispatcher.ResponseData;

/** Opens a client; the proxies are those of `env`. Nothing is sent before the first request. */
export function openHttpClient(
  settings: HubSettings,
  options: { readonly stallMs?: number; readonly env?: NodeJS.ProcessEnv } = {},
): HttpClient {
  const { stallMs = STALL_MS, env = process.env } = options;
  const { token } = settings;
  const hub = new URL(settings.endpoint).origin;
  const dispatcher = openDispatcher(env, stallMs);

  async function send(url: URL, options: RequestOptions, isFirstHost: boolean): Promise<Answer> {
    const { authorization, ...headers } = lowerCased(options.headers);
    // A login that the caller names is for the host that he names; ours is for the Hub, whoever asks.
    const login = isFirstHost && !(token && authorization?.includes(token)) ? authorization : undefined;
    const ours = url.origin === hub && token ? `Bearer ${token}` : undefined;
    try {
      return await dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: options.method ?? "GET",
        headers: {
          "user-agent": `v4kit/${VERSION}`,
          "accept-encoding": "identity",
          ...headers,
          ...((login ?? ours) && { authorization: login ?? ours }),
        },
        signal: options.signal ?? null,
        headersTimeout: stallMs,
        bodyTimeout: stallMs,
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw networkError(error, url, token);
    }
  }

  async function nextHopOf(
    answer: Answer,
    head: ResponseHead,
    passed: readonly ResponseHead[],
  ): Promise<URL | undefined> {
    try {
      const next = nextHop(head, passed, { token, origin: hub });
      if (next) await drop(answer);
      return next;
    } catch (error) {
      await drop(answer);
      throw error;
    }
  }

  async function request(address: string, options: RequestOptions = {}): Promise<HttpResponse> {
    const first = webAddress(address, token);
    if (settings.offline)
      throw new V4Error("unavailable", {
        what: "HF_HUB_OFFLINE forbids the network",
        file: shownUrl(first, token),
        next: "unset it, or use what is in the cache",
      });
    const redirects: ResponseHead[] = [];
    for (let url = first; ; ) {
      const answer = await send(url, options, url.origin === first.origin);
      const head = { url: url.href, status: answer.statusCode, headers: joined(answer.headers) };
      const next = await nextHopOf(answer, head, redirects);
      if (next) {
        redirects.push(head);
        url = next;
        continue;
      }
      if (head.status < 200 || head.status > 299) {
        const text = await beginning(answer, token);
        throw refusalError({ ...head, url, text }, settings, url.origin === hub && token !== undefined);
      }
      const encoding = head.headers["content-encoding"] ?? "identity";
      if (encoding !== "identity") {
        await drop(answer);
        throw wrongAnswer({
          what: "the server packed the bytes",
          file: shownUrl(url, token),
          expected: "content-encoding identity",
          found: shownText(encoding, token),
        });
      }
      return {
        ...head,
        redirects,
        body: bodyOf(answer, (error) => {
          options.signal?.throwIfAborted();
          throw networkError(error, url, token);
        }),
        drop: () => drop(answer),
      };
    }
  }

  return {
    settings,
    request,
    fetch: fetchThrough(request),
    close: () => dispatcher.destroy(),
  };
}

function webAddress(address: string, token: string | undefined): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw usageError({ what: "not a web address", found: shownText(address.split("?")[0], token) });
  if (url.username || url.password)
    throw usageError({
      what: "a name or password in an address is not supported",
      found: shownUrl(url, token),
    });
  return url;
}

async function* bodyOf({ body }: Answer, rethrow: (error: unknown) => never): AsyncGenerator<Uint8Array> {
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (error) {
    rethrow(error);
  }
}

/** Reads a little of what is left, so that the connection serves again; more than that, and it is closed. */
const drop = ({ body }: Answer): Promise<void> =>
  body.dump({ limit: MAX_DROPPED_BYTES, signal: AbortSignal.timeout(1000) }).catch(() => {});

/** The beginning of a refusal's body without our token; one that is cut or stalls says as much as it said. */
async function beginning({ body }: Answer, token: string | undefined): Promise<string> {
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  try {
    for await (const part of body as AsyncIterable<Uint8Array>) {
      parts.push(part);
      byteLength += part.length;
      if (byteLength >= MAX_REFUSAL_BYTES) break;
    }
  } catch {}
  const text = Buffer.concat(parts).toString("utf8", 0, MAX_REFUSAL_BYTES);
  if (!token) return text;
  const hidden = text.replaceAll(token, "[token]");
  // What was cut may end with the first half of one.
  return byteLength >= MAX_REFUSAL_BYTES ? hidden.slice(0, -token.length) : hidden;
}

const lowerCased = (headers: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

const joined = (headers: Answer["headers"]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]));
