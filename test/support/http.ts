import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach } from "vitest";
import { type HttpClient, openHttpClient } from "../../tools/hub/http-client.ts";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface TestServer {
  readonly url: string;
  readonly seen: readonly Seen[];
  readonly connections: ReadonlySet<Socket>;
}

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A server in this process that lives as long as the test. */
export async function serve(
  listener: RequestListener,
  make: () => Server = createServer,
): Promise<TestServer> {
  const seen: Seen[] = [];
  const connections = new Set<Socket>();
  const server = make();
  server.on("request", (request, response) => {
    seen.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers });
    listener(request, response);
  });
  server.on("connection", (socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket)).on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(() => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, connections };
}

export const TOKEN = "hf_SecretSecretSecret";

interface ClientChoice {
  /** Empty: none. */
  readonly token?: string;
  readonly offline?: boolean;
  readonly stallMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** A client that lives as long as the test: with a token for `endpoint`, without proxies. */
export function clientFor(
  endpoint: string,
  { token = TOKEN, offline = false, stallMs, env = {} }: ClientChoice = {},
): HttpClient {
  const settings = { endpoint, cacheFolder: "/nowhere", offline, showProgress: false };
  const client = openHttpClient(token ? { ...settings, token } : settings, {
    env,
    ...(stallMs !== undefined && { stallMs }),
  });
  open.push(() => client.close());
  return client;
}

/** A port of this machine that nobody listens at. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What a promise is refused with; every such error is checked for the token, stack and cause included. */
export async function refusalOf(
  attempt: Promise<unknown>,
): Promise<Error & { kind?: string; facts?: { retryable: boolean; retryAfterMs?: number } }> {
  const error = await attempt.then(
    () => {
      throw new Error("it should have been refused");
    },
    (reason: Error) => reason,
  );
  const all = `${error.stack} ${JSON.stringify(error)} ${(error.cause as Error | undefined)?.stack}`;
  if (all.includes(TOKEN) || all.includes(TOKEN.slice(0, 12))) throw new Error("the token leaks");
  return error;
}
