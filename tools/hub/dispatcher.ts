import { type Dispatcher, EnvHttpProxyAgent, Pool } from "undici";
import { usageError } from "../lib/errors.ts";
import { CONNECT_MS } from "../lib/limits.ts";

/**
 * What carries the requests: connections to hosts, or to the proxies that `env` names. Without HTTPS_PROXY, HTTP_PROXY
 * serves both. Errors: the address of a proxy that is none (64, without showing it: it may have a password).
 */
export function openDispatcher(env: NodeJS.ProcessEnv, stallMs: number): Dispatcher {
  const timeouts = { headersTimeout: stallMs, bodyTimeout: stallMs };
  try {
    return new EnvHttpProxyAgent({
      ...timeouts,
      httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? "",
      httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? "",
      noProxy: env.no_proxy ?? env.NO_PROXY ?? "",
      // Plain HTTP passes as such: many proxies allow CONNECT to port 443 alone.
      proxyTunnel: false,
      clientFactory: (origin, options) => tunnelPool(origin, { ...options, ...timeouts }),
      connect: { timeout: CONNECT_MS },
      proxyTls: { timeout: CONNECT_MS },
      requestTls: { timeout: CONNECT_MS },
    });
  } catch (error) {
    if (error instanceof Error && "code" in error)
      throw usageError({
        what: "HTTP_PROXY or HTTPS_PROXY is not the address of a proxy",
        expected: "http://HOST:PORT",
      });
    throw error;
  }
}

/**
 * Connections to a proxy. One that hangs up instead of answering CONNECT gives a code (UND_ERR_SOCKET) at which undici
 * 7.30 connects again at once, for ever; under another code the request fails.
 */
function tunnelPool(origin: URL | string, options: Pool.Options): Dispatcher {
  const pool = new Pool(origin, options);
  const connect = pool.connect.bind(pool) as (
    request: Dispatcher.ConnectOptions,
  ) => Promise<Dispatcher.ConnectData>;
  return Object.assign(pool, {
    connect: (request: Dispatcher.ConnectOptions) =>
      connect(request).catch((error: Error & { readonly code?: string }) => {
        if (error.code !== "UND_ERR_SOCKET") throw error;
        throw Object.assign(new Error("Proxy hung up", { cause: error }), { code: "UND_ERR_ABORTED" });
      }),
  });
}
