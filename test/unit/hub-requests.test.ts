import { expect, test } from "vitest";
import type { HttpClient } from "../../tools/hub/http-client.ts";
import { VERSION } from "../../tools/lib/package-root.ts";
import { clientFor, closedPort, refusalOf, serve, TOKEN } from "../support/http.ts";

async function textOf(client: HttpClient, url: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of (await client.request(url)).body) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("a request says who asks, sends the token to the Hub and takes no packed bytes", async () => {
  const hub = await serve((_, response) => response.end("hello"));
  expect(await textOf(clientFor(hub.url), `${hub.url}/a?b=c`)).toBe("hello");
  expect(hub.seen[0]).toMatchObject({
    method: "GET",
    path: "/a?b=c",
    headers: {
      "user-agent": `v4kit/${VERSION}`,
      authorization: `Bearer ${TOKEN}`,
      "accept-encoding": "identity",
    },
  });
});

test("the token stays at the Hub: not after a redirect, not at a named mirror, not when a library sends it", async () => {
  const storage = await serve((_, response) => response.end("bytes"));
  const hub = await serve((request, response) =>
    request.url === "/back"
      ? response.end("back")
      : response.writeHead(302, { location: `${storage.url}/signed?sig=1` }).end(),
  );
  const client = clientFor(hub.url);
  expect(await textOf(client, `${hub.url}/file`)).toBe("bytes");
  expect(await textOf(client, `${storage.url}/mirror`)).toBe("bytes");
  await client.fetch(`${storage.url}/library`, { headers: { Authorization: `Bearer ${TOKEN}` } });
  await (await client.request(`${hub.url}/file`, { headers: { Authorization: "Bearer other" } })).drop();
  expect(storage.seen).toHaveLength(4);
  expect(storage.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  // The same host at another port or by another name is another origin.
  await textOf(client, `${storage.url.replace("127.0.0.1", "localhost")}/x`).catch(() => {});
  expect(JSON.stringify(storage.seen)).not.toContain(TOKEN);
});

test("a login that a library names goes to the host it names, and no further", async () => {
  const other = await serve((_, response) => response.end());
  const cas = await serve((_, response) => response.writeHead(307, { location: other.url }).end());
  const client = clientFor("http://127.0.0.1:1");
  await client.fetch(cas.url, { headers: { authorization: "Bearer jwt" } });
  expect(cas.seen[0].headers.authorization).toBe("Bearer jwt");
  expect(other.seen[0].headers.authorization).toBeUndefined();
});

test("redirects: relative ones are followed, circles, endless ones and ways out of the web are refused", async () => {
  const hub = await serve((request, response) => {
    const [, kind, n = "0"] = request.url?.split("/") ?? [];
    const to: Record<string, string> = {
      relative: "here",
      circle: "/round/1",
      round: `/round/${n === "1" ? 2 : 1}`,
      endless: `/endless/${Number(n) + 1}`,
      file: "file:///etc/passwd",
      nowhere: "http://",
      leak: `http://127.0.0.1:1/${TOKEN}`,
    };
    if (!Object.hasOwn(to, kind)) return response.end("arrived");
    return response.writeHead(302, { location: to[kind] }).end("moved");
  });
  const client = clientFor(hub.url);
  expect(await textOf(client, `${hub.url}/relative`)).toBe("arrived");
  const refused = (kind: string): Promise<Error> => refusalOf(client.request(`${hub.url}/${kind}`));
  expect((await refused("circle")).message).toMatch(/redirects in a circle/);
  expect((await refused("endless/1")).message).toMatch(/more than 10 redirects/);
  expect((await refused("file")).message).toMatch(/out of the web .*file:/);
  expect((await refused("nowhere")).message).toMatch(/a redirect to nowhere/);
  expect((await refused("leak")).message).toMatch(/gives the token to another host/);
  expect(hub.seen.length).toBeLessThan(30);
});

test.each<readonly [number, Record<string, string>, string, string, RegExp]>([
  [401, {}, "", "permission", /needs a token; none was sent .*set HF_TOKEN|HF_TOKEN/],
  [401, {}, TOKEN, "permission", /the token was not accepted/],
  [
    403,
    { "x-error-code": "GatedRepo" },
    TOKEN,
    "permission",
    /gated.*accept the licence at https:\/\/huggingface\.co\/org\/name$/,
  ],
  [
    401,
    { "x-error-code": "GatedRepo" },
    "",
    "permission",
    /no token was sent.*huggingface\.co\/org\/name and set HF_TOKEN/,
  ],
  [403, {}, TOKEN, "permission", /not permitted.*may read this repository/],
  [402, {}, TOKEN, "permission", /wants to be paid/],
  [404, { "x-error-code": "RepoNotFound" }, TOKEN, "input", /no such repository: org\/name/],
  [404, { "x-error-code": "RevisionNotFound" }, TOKEN, "input", /no such revision/],
  [404, { "x-error-code": "EntryNotFound" }, TOKEN, "input", /no such file in the repository/],
  [404, { "x-error-code": "__proto__" }, TOKEN, "input", /no such repository: org\/name/],
  [410, {}, TOKEN, "input", /no longer there/],
  [416, {}, TOKEN, "data", /outside the file/],
  [418, {}, TOKEN, "unavailable", /makes no sense here/],
  [429, { "retry-after": "7" }, TOKEN, "temporary", /too many requests/],
  [500, {}, TOKEN, "temporary", /the server failed/],
  [503, {}, TOKEN, "temporary", /the server failed/],
])("status %i with %j is one line", async (status, headers, token, kind, line) => {
  const hub = await serve((_, response) => response.writeHead(status, headers).end(`no: ${token}`));
  const client = clientFor(hub.url, { token });
  const error = await refusalOf(client.request(`${hub.url}/org/name/resolve/main/a?sig=secret`));
  expect(error).toMatchObject({ kind, facts: { status, retryable: kind === "temporary" } });
  expect(error.message).toMatch(line);
  expect(error.message).toContain("/org/name/resolve/main/a");
  expect(error.message).not.toMatch(/secret|\n/);
  expect(error.facts?.retryAfterMs).toBe(headers["retry-after"] ? 7000 : undefined);
});

test("Retry-After as a date, and the Hub's own header", async () => {
  const answers: Record<string, string>[] = [
    { "retry-after": new Date(Date.now() + 3_600_000).toUTCString() },
    { "retry-after": new Date(0).toUTCString() },
    { "retry-after": "soon" },
    { ratelimit: '"api";r=0;t=55' },
    { ratelimit: '"api";r=9;t=55' },
  ];
  const hub = await serve((_, response) => response.writeHead(429, answers[hub.seen.length - 1]).end());
  const client = clientFor(hub.url);
  const patience = async (): Promise<number | undefined> =>
    (await refusalOf(client.request(hub.url))).facts?.retryAfterMs;
  const hour = await patience();
  expect(hour).toBeGreaterThan(3_000_000);
  expect(hour).toBeLessThanOrEqual(3_600_000);
  expect(await patience()).toBe(0);
  expect(await patience()).toBeUndefined();
  expect(await patience()).toBe(55_000);
  expect(await patience()).toBeUndefined();
});

test("what a server says is cut short, made printable, and never shows the token, however it is placed", async () => {
  const bodies = [
    `${TOKEN} `.repeat(40),
    `\u001b[31m${"x".repeat(10_000)}`,
    // The token where the body is cut: white space would bring what is left of it into the line.
    `${" ".repeat(4096 - 12)}${TOKEN}${" ".repeat(9000)}`,
    JSON.stringify({ error: `Invalid ${TOKEN}` }),
    `<html>${TOKEN}</html>`,
  ];
  const hub = await serve((_, response) =>
    response.writeHead(500, { "x-request": TOKEN }).end(bodies[hub.seen.length - 1]),
  );
  const client = clientFor(hub.url);
  for (const _ of bodies) {
    const { message } = await refusalOf(client.request(`${hub.url}/${TOKEN}`));
    expect(message.length).toBeLessThan(500);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    expect(message).not.toMatch(/[\u0000-\u001f]/);
  }
});

test("packed bytes are refused", async () => {
  const hub = await serve((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x"));
  const error = await refusalOf(clientFor(hub.url).request(hub.url));
  expect(error).toMatchObject({ kind: "data", facts: { retryable: true } });
  expect(error.message).toMatch(/expected content-encoding identity, found gzip/);
});

test("faults of the network: refused, unknown host, cut before and in the body, silence before and in the body, no HTTP", async () => {
  const server = await serve((request, response) => {
    if (request.url === "/cut") return request.socket.destroy();
    if (request.url === "/garbage") return request.socket.end("SSH-2.0-OpenSSH\r\n");
    if (request.url === "/silence") return undefined;
    response.writeHead(200, { "content-length": "10" });
    response.write("half", () => {
      if (request.url === "/half") request.socket.destroy();
    });
    return undefined;
  });
  const client = clientFor(server.url, { stallMs: 200 });
  const fault = (url: string): Promise<Error> => refusalOf(textOf(client, url));
  const temporary = { kind: "temporary", facts: { retryable: true } };
  const unavailable = { kind: "unavailable", facts: { retryable: true } };
  expect(await fault(`http://127.0.0.1:${await closedPort()}/`)).toMatchObject(unavailable);
  const unknown = await fault("http://no-such-host.invalid/");
  expect(unknown).toMatchObject(unavailable);
  expect(unknown.message).toMatch(/no address for this host \(found (ENOTFOUND|EAI_AGAIN)\)/);
  for (const path of ["cut", "half", "garbage", "silence", "stall"])
    expect(await fault(`${server.url}/${path}`), path).toMatchObject(temporary);
  expect((await fault(`${server.url}/stall`)).message).toMatch(/the answer stalled/);
  expect((await fault(`${server.url}/silence`)).message).toMatch(/no answer in time/);
});

test("an aborted request ends with the signal's reason", async () => {
  const server = await serve((request, response) => {
    if (request.url === "/body") response.writeHead(200).write("x");
  });
  const client = clientFor(server.url);
  const reason = new Error("enough");
  const before = new AbortController();
  const request = client.request(server.url, { signal: before.signal });
  await expect.poll(() => server.seen.length).toBe(1);
  before.abort(reason);
  await expect(request).rejects.toBe(reason);
  const during = new AbortController();
  const { body } = await client.request(`${server.url}/body`, { signal: during.signal });
  await expect(
    (async () => {
      for await (const _ of body) during.abort(reason);
    })(),
  ).rejects.toBe(reason);
});

test("bodies that nobody wants leave no connection behind, small ones not even a new one", async () => {
  const server = await serve((request, response) =>
    response.end(Buffer.alloc(request.url === "/big" ? 1e7 : 10)),
  );
  const client = clientFor(server.url);
  for (let i = 0; i < 5; i++) await (await client.request(`${server.url}/small`)).drop();
  expect(server.connections.size).toBeLessThan(3);
  await client.close();
  const other = clientFor(server.url);
  await (await other.request(`${server.url}/big`)).drop();
  for await (const _ of (await other.request(`${server.url}/big`)).body) break;
  await expect.poll(() => server.connections.size).toBe(0);
});

test("offline, nothing is asked; what is no address of the web is refused", async () => {
  const server = await serve((_, response) => response.end());
  const error = await refusalOf(clientFor(server.url, { offline: true }).request(server.url));
  expect(error).toMatchObject({ kind: "unavailable" });
  expect(error.message).toMatch(/HF_HUB_OFFLINE/);
  expect(server.seen).toEqual([]);
  const client = clientFor(server.url);
  for (const address of ["ftp://a/", "a/b", `file:///${TOKEN}`])
    expect(await refusalOf(client.request(address))).toMatchObject({ kind: "usage" });
  const withPassword = await refusalOf(client.request(`https://user:${TOKEN}@host/`));
  expect(withPassword.message).toMatch(/name or password/);
});
