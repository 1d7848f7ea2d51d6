import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import { TryFailure } from "./failures.ts";
import { defined } from "./reply.ts";

/** Limits of one exchange in milliseconds; 0 waits for ever. */
export interface WireLimits {
  readonly connectMs: number;
  /** Until the first byte of the body: some servers send the headers at once and compute the prompt then. */
  readonly firstByteMs: number;
  /** Between bytes after that, whatever they are: a comment that keeps the connection alive counts. */
  readonly idleMs: number;
}

export interface WireRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface WireAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** What follows is of no interest: the connection gets a moment to end by itself, so that it can be used again. */
  finish(): void;
}

/** The network of one endpoint: proxies from the environment, no redirects, limits watched by us. */
export interface Wire {
  /** Throws a `TryFailure` of kind `transport`, or the reason of the signal. The answer is read inside `use`. */
  exchange<T>(request: WireRequest, use: (answer: WireAnswer) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** How long a connection may take to end after its last useful byte. */
const FINISH_MS = 1000;

export function openWire(limits: WireLimits, env: NodeJS.ProcessEnv = process.env): Wire {
  const agent = new EnvHttpProxyAgent({
    connect: { timeout: limits.connectMs },
    headersTimeout: 0,
    bodyTimeout: 0,
    ...defined({
      httpProxy: env.http_proxy ?? env.HTTP_PROXY,
      httpsProxy: env.https_proxy ?? env.HTTPS_PROXY,
      noProxy: env.no_proxy ?? env.NO_PROXY,
    }),
  });
  return {
    exchange: (request, use) => exchange(agent, limits, request, use),
    close: () => agent.destroy(),
  };
}

async function exchange<T>(
  agent: Dispatcher,
  limits: WireLimits,
  { method, url, headers, body, signal }: WireRequest,
  use: (answer: WireAnswer) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const watch = openWatch(limits.firstByteMs);
  const forward = (): void => watch.abort(signal?.reason);
  signal?.addEventListener("abort", forward, { once: true });
  try {
    const { origin, pathname, search } = new URL(url);
    const answer = await agent.request({
      origin,
      path: pathname + search,
      method,
      headers,
      signal: watch.signal,
      ...(body !== undefined && { body }),
    });
    let finished = false;
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for await (const chunk of answer.body) {
          if (!finished) watch.wait(limits.idleMs);
          yield chunk as Uint8Array;
        }
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (!finished) throw transportFailure(watch.stalledAfterMs, error);
      }
    };
    return await use({
      status: answer.statusCode,
      header: (name) => [answer.headers[name]].flat()[0],
      chunks: chunks(),
      finish() {
        if (finished) return;
        finished = true;
        watch.wait(FINISH_MS);
      },
    });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof TryFailure) throw error;
    throw transportFailure(watch.stalledAfterMs, error);
  } finally {
    watch.stop();
    signal?.removeEventListener("abort", forward);
  }
}

/** A timer that aborts when nothing came for too long. */
function openWatch(firstMs: number) {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let waitingMs = 0;
  let stalledAfterMs: number | undefined;
  const wait = (ms: number): void => {
    if (timer && ms === waitingMs) {
      timer.refresh();
      return;
    }
    clearTimeout(timer);
    waitingMs = ms;
    timer =
      ms > 0
        ? setTimeout(() => {
            stalledAfterMs = ms;
            controller.abort();
          }, ms)
        : undefined;
  };
  wait(firstMs);
  return {
    signal: controller.signal,
    wait,
    abort: (reason: unknown): void => controller.abort(reason),
    stop: (): void => clearTimeout(timer),
    get stalledAfterMs() {
      return stalledAfterMs;
    },
  };
}

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host's name cannot be resolved now",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ETIMEDOUT: "the connection timed out",
  EPIPE: "the connection was closed",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  UND_ERR_SOCKET: "the connection was closed",
};

function transportFailure(stalledAfterMs: number | undefined, error: unknown): unknown {
  if (stalledAfterMs !== undefined)
    return new TryFailure("transport", `not a byte for ${stalledAfterMs / 1000} s`);
  const { code, message } = error as { code?: unknown; message?: string };
  // Without a code it is no failure of the network but a mistake of ours.
  if (typeof code !== "string") return error;
  return new TryFailure("transport", CAUSES[code] ?? `${code}: ${message ?? ""}`);
}
