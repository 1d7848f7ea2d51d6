import { createServer as createHttpServer, request as forward } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { nextHop } from "../../tools/hub/redirects.ts";
import { clientFor, closedPort, refusalOf, serve, type TestServer, TOKEN } from "../support/http.ts";
import { SELF_SIGNED } from "../support/self-signed.ts";

/** A proxy that forwards plain HTTP and tunnels TLS; what it was asked for is in `seen`. */
async function proxy(tunnels: string[] = [], answer = "HTTP/1.1 200 OK\r\n\r\n"): Promise<TestServer> {
  const server = await serve(
    (request, response) => {
      forward(request.url as string, { headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      }).end();
    },
    () => {
      const made = createHttpServer();
      made.on("connect", (request, socket) => {
        tunnels.push(request.url ?? "");
        if (!answer.includes("200")) return void socket.end(answer);
        const { hostname, port } = new URL(`http://${request.url}`);
        const other = connect(Number(port), hostname, () => {
          socket.write(answer);
          other.pipe(socket).pipe(other);
        });
        for (const end of [other, socket]) end.on("error", () => {});
      });
      return made;
    },
  );
  return server;
}

test.each(["HTTP_PROXY", "http_proxy"])("%s is used, and NO_PROXY excepts hosts from it", async (name) => {
  const hub = await serve((_, response) => response.end("hello"));
  const between = await proxy();
  const ask = async (env: NodeJS.ProcessEnv): Promise<void> =>
    (await clientFor(hub.url, { env: { [name]: between.url, ...env } }).request(`${hub.url}/a`)).drop();
  await ask({});
  expect(between.seen.map(({ path }) => path)).toEqual([`${hub.url}/a`]);
  expect(hub.seen[0].headers).toMatchObject({
    host: new URL(hub.url).host,
    authorization: `Bearer ${TOKEN}`,
  });
  await ask({ NO_PROXY: "example.org,127.0.0.1" });
  await ask({ no_proxy: "*" });
  expect(between.seen).toHaveLength(1);
  expect(hub.seen).toHaveLength(3);
  await ask({ NO_PROXY: "example.org" });
  expect(between.seen).toHaveLength(2);
});

test("HTTPS_PROXY is asked for a tunnel, and never sees the token", async () => {
  const tunnels: string[] = [];
  const between = await proxy(tunnels);
  const secure = await serve(
    (_, response) => response.end(),
    () => createTlsServer(SELF_SIGNED),
  );
  const url = secure.url.replace("http:", "https:");
  const error = await refusalOf(clientFor(url, { env: { https_proxy: between.url } }).request(url));
  expect(error.message).toMatch(/certificate is not trusted/);
  expect(tunnels).toEqual([new URL(url).host]);
  expect(JSON.stringify(between.seen)).not.toContain(TOKEN);
});

test("a proxy that is not there, refuses, wants a password or has no proper address", async () => {
  const refusing = await serve((_, response) => response.writeHead(407).end());
  const ask = (url: string, env: NodeJS.ProcessEnv): Promise<Error> =>
    refusalOf(Promise.resolve().then(() => clientFor(url, { env }).request(url)));
  const gone = `http://127.0.0.1:${await closedPort()}`;
  expect(await ask("http://a.invalid", { http_proxy: gone })).toMatchObject({ kind: "unavailable" });
  expect(await ask("http://a.invalid", { http_proxy: refusing.url })).toMatchObject({ kind: "permission" });
  expect(await ask("https://a.invalid", { https_proxy: refusing.url })).toMatchObject({
    kind: "unavailable",
  });
  const locked = await proxy([], "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  expect(await ask("https://a.invalid", { https_proxy: locked.url })).toMatchObject({ kind: "permission" });
  const wrong = await ask("http://a.invalid", { http_proxy: `user:${TOKEN}` });
  expect(wrong).toMatchObject({ kind: "usage" });
});

test("a certificate that nobody signed and a host without TLS are refused for good", async () => {
  const secure = await serve(
    (_, response) => response.end(),
    () => createTlsServer(SELF_SIGNED),
  );
  const plain = await serve((_, response) => response.end());
  for (const [server, line] of [
    [secure, /certificate is not trusted.*NODE_EXTRA_CA_CERTS/],
    [plain, /does not speak TLS/],
  ] as const) {
    const url = server.url.replace("http:", "https:");
    const error = await refusalOf(clientFor(url).request(url));
    expect(error).toMatchObject({ kind: "unavailable", facts: { retryable: false } });
    expect(error.message).toMatch(line);
    expect(server.seen).toEqual([]);
  }
});

test("no redirect leads from https to http", () => {
  const head = { url: "https://a/x", status: 302, headers: { location: "http://b/x" } };
  const hub = { token: TOKEN, origin: "https://a" };
  expect(() => nextHop(head, [], hub)).toThrow(/from https to http/);
  expect(nextHop({ ...head, headers: { location: "https://b/x" } }, [], hub)?.href).toBe("https://b/x");
  expect(nextHop({ ...head, url: "http://a/x" }, [], hub)?.href).toBe("http://b/x");
  expect(nextHop({ ...head, status: 200 }, [], hub)).toBeUndefined();
});
