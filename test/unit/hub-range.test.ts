import { writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { fetchRange } from "../../tools/hub/fetch-range.ts";
import type { HttpClient } from "../../tools/hub/http-client.ts";
import type { RemoteFile } from "../../tools/hub/repository.ts";
import { clientFor, refusalOf, serve, type TestServer, TOKEN } from "../support/http.ts";
import { scratchFolder } from "../support/scratch.ts";

const BYTES = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) % 251));
const SHA256 = "ab".repeat(32);
const GIT_SHA1 = "12".repeat(20);
const COMMIT = "c0".repeat(20);
const PATH = `/org/name/resolve/${COMMIT}/a.safetensors`;

const fileAt = (hub: TestServer, facts: Partial<RemoteFile> = {}): RemoteFile => ({
  name: "a.safetensors",
  byteLength: BYTES.length,
  url: hub.url + PATH,
  sha256: SHA256,
  ...facts,
});

/** Answers a range as it should be, with what a fault changes. */
function answerRange(
  range: string | undefined,
  response: ServerResponse,
  fault: { status?: number; headers?: Record<string, string | undefined>; body?: Buffer } = {},
): void {
  const [, first, last] = /bytes=(\d+)-(\d+)/.exec(range ?? "") ?? [];
  const body = BYTES.subarray(Number(first), Number(last) + 1);
  const headers: Record<string, string | undefined> = {
    "content-range": `bytes ${first}-${last}/${BYTES.length}`,
    "content-length": String(body.length),
    etag: '"storage"',
    ...fault.headers,
  };
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) response.setHeader(name, value);
  response.writeHead(fault.status ?? 206);
  response.end(fault.body ?? body);
}

async function bytesOf(
  client: HttpClient,
  file: RemoteFile,
  range: { start: number; end: number },
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let next = range.start;
  await fetchRange(client, file, range, (bytes, position) => {
    expect(position).toBe(next);
    next += bytes.length;
    parts.push(bytes);
  });
  return Buffer.concat(parts);
}

/** The Hub and its storage: the redirect states the file, the link lives for `uses` requests. */
async function hubAndStorage(stated: Record<string, string> = {}, uses = Number.POSITIVE_INFINITY) {
  const used = new Map<string, number>();
  let links = 0;
  const storage = await serve((request, response) => {
    const count = (used.get(request.url ?? "") ?? 0) + 1;
    used.set(request.url ?? "", count);
    if (count > uses) response.writeHead(403).end("<Error>Request has expired</Error>");
    else answerRange(request.headers.range, response);
  });
  const hub = await serve((_, response) =>
    response
      .writeHead(302, {
        location: `${storage.url}/blob?sig=${links++}`,
        "x-linked-etag": `"${SHA256}"`,
        "x-linked-size": String(BYTES.length),
        "x-repo-commit": COMMIT,
        ...stated,
      })
      .end(),
  );
  return { hub, storage };
}

test("a range of an LFS file comes from storage, and the next one goes there at once", async () => {
  const { hub, storage } = await hubAndStorage();
  const client = clientFor(hub.url);
  for (const [start, end] of [
    [100, 300],
    [0, 1000],
    [999, 1000],
    [5, 5],
  ])
    expect(await bytesOf(client, fileAt(hub), { start, end })).toEqual(BYTES.subarray(start, end));
  expect(hub.seen).toHaveLength(1);
  expect(storage.seen.map(({ headers }) => headers.range)).toEqual([
    "bytes=100-299",
    "bytes=0-999",
    "bytes=999-999",
  ]);
  expect(JSON.stringify(storage.seen)).not.toContain(TOKEN);
});

test("an expired link is asked for again, which is no failure", async () => {
  const { hub, storage } = await hubAndStorage({}, 2);
  const client = clientFor(hub.url);
  for (let start = 0; start < 500; start += 100)
    expect(await bytesOf(client, fileAt(hub), { start, end: start + 100 })).toHaveLength(100);
  expect(hub.seen).toHaveLength(3);
  expect(storage.seen).toHaveLength(7);
});

test("a link that is refused when it is new may pass; a refusal of the Hub does not", async () => {
  const { hub } = await hubAndStorage({}, 0);
  const fresh = await refusalOf(bytesOf(clientFor(hub.url), fileAt(hub), { start: 0, end: 9 }));
  expect(fresh).toMatchObject({ kind: "permission", facts: { retryable: true } });
  expect(fresh.message).not.toContain("sig=");
  const closed = await serve((_, response) => response.writeHead(403).end());
  const refused = await refusalOf(bytesOf(clientFor(closed.url), fileAt(closed), { start: 0, end: 9 }));
  expect(refused).toMatchObject({ kind: "permission", facts: { retryable: false } });
});

test.each<readonly [string, Record<string, string>, RegExp]>([
  ["hash", { "x-linked-etag": `"${"cd".repeat(32)}"` }, /its hash differs from the listing/],
  ["hash without quotes", { "x-linked-etag": `W/"${TOKEN}"` }, /its hash differs/],
  ["size", { "x-linked-size": "1001" }, /its size differs .*expected 1000, found 1001/],
  ["commit", { "x-repo-commit": "d0".repeat(20) }, /its commit differs/],
])(
  "a redirect that states another %s is refused before storage's bytes are used",
  async (_, stated, line) => {
    const { hub } = await hubAndStorage(stated);
    const got: Uint8Array[] = [];
    const client = clientFor(hub.url);
    const error = await refusalOf(
      fetchRange(client, fileAt(hub), { start: 0, end: 9 }, (bytes) => void got.push(bytes)),
    );
    expect(error).toMatchObject({ kind: "data", facts: { retryable: true } });
    expect(error.message).toMatch(line);
    expect(got).toEqual([]);
  },
);

test("a small file comes from the Hub itself, whose ETag is its git hash", async () => {
  let etag = `"${GIT_SHA1}"`;
  const hub = await serve((request, response) =>
    answerRange(request.headers.range, response, { headers: { etag, "x-repo-commit": COMMIT } }),
  );
  const { sha256: _, ...small } = fileAt(hub, { gitSha1: GIT_SHA1 });
  const client = clientFor(hub.url);
  expect(await bytesOf(client, small, { start: 10, end: 20 })).toEqual(BYTES.subarray(10, 20));
  etag = `W/"${GIT_SHA1}"`;
  const weak = await bytesOf(clientFor(hub.url), small, { start: 10, end: 20 });
  expect(weak).toHaveLength(10);
  etag = `"${"34".repeat(20)}"`;
  const error = await refusalOf(bytesOf(client, small, { start: 10, end: 20 }));
  expect(error.message).toMatch(/its hash differs/);
});

test.each<readonly [string, Parameters<typeof answerRange>[2], RegExp]>([
  ["status 200 for a range inside", { status: 200, body: BYTES }, /expected status 206, found status 200/],
  ["status 204", { status: 204, body: Buffer.of() }, /found status 204/],
  ["no Content-Range", { headers: { "content-range": undefined } }, /another range.*found none/],
  ["another Content-Range", { headers: { "content-range": "bytes 101-200/1000" } }, /found bytes 101-200/],
  ["a shorter Content-Range", { headers: { "content-range": "bytes 100-150/1000" } }, /another range/],
  ["another total", { headers: { "content-range": "bytes 100-199/2000" } }, /expected bytes 100-199\/1000/],
  ["a Content-Range that is none", { headers: { "content-range": TOKEN } }, /another range/],
  [
    "another Content-Length",
    { headers: { "content-length": "50" }, body: BYTES.subarray(100, 150) },
    /another length/,
  ],
])("%s is refused, and no byte of it is used", async (_, fault, line) => {
  const hub = await serve((request, response) => answerRange(request.headers.range, response, fault));
  let used = 0;
  const client = clientFor(hub.url);
  const range = { start: 100, end: 200 };
  const error = await refusalOf(
    fetchRange(client, fileAt(hub), range, (bytes) => {
      used += bytes.length;
    }),
  );
  expect(error).toMatchObject({ kind: "data", facts: { retryable: true } });
  expect(error.message).toMatch(line);
  expect(error.message).toMatch(/a\.safetensors/);
  expect(used).toBe(0);
});

test("a total that is not known is no fault", async () => {
  const hub = await serve((request, response) =>
    answerRange(request.headers.range, response, { headers: { "content-range": "bytes 100-199/*" } }),
  );
  expect(await bytesOf(clientFor(hub.url), fileAt(hub), { start: 100, end: 200 })).toHaveLength(100);
});

test("a body that is too long or too short, without a Content-Length to tell", async () => {
  let body = BYTES.subarray(100, 201);
  const hub = await serve((request, response) =>
    answerRange(request.headers.range, response, {
      headers: { "content-length": undefined, "transfer-encoding": "chunked" },
      body,
    }),
  );
  const client = clientFor(hub.url);
  const long = await refusalOf(bytesOf(client, fileAt(hub), { start: 100, end: 200 }));
  expect(long).toMatchObject({ kind: "data", facts: { retryable: true } });
  expect(long.message).toMatch(/more bytes than asked for/);
  body = BYTES.subarray(100, 180);
  const short = await refusalOf(bytesOf(client, fileAt(hub), { start: 100, end: 200 }));
  expect(short).toMatchObject({ kind: "temporary", facts: { retryable: true } });
  expect(short.message).toMatch(/ended too early .*expected 100 bytes, found 80/);
});

test("bytes before a cut are handed on, with the Content-Length that was promised", async () => {
  const hub = await serve((request, response) => {
    response.writeHead(206, { "content-range": "bytes 0-999/1000", "content-length": "1000" });
    response.write(BYTES.subarray(0, 400), () => setImmediate(() => request.socket.destroy()));
  });
  let got = 0;
  const client = clientFor(hub.url);
  const error = await refusalOf(
    fetchRange(client, fileAt(hub), { start: 0, end: 1000 }, (bytes) => {
      got += bytes.length;
    }),
  );
  expect(error).toMatchObject({ kind: "temporary", facts: { retryable: true } });
  expect(got).toBe(400);
});

test("status 200 from the beginning is of use: whole, or its first bytes, and the rest is not awaited", async () => {
  const hub = await serve((request, response) => {
    response.writeHead(200, { "content-length": String(BYTES.length) });
    // The second request never gets more than it wants.
    if (request.headers.range === "bytes=0-999") response.end(BYTES);
    else response.write(BYTES.subarray(0, 500));
  });
  const client = clientFor(hub.url);
  expect(await bytesOf(client, fileAt(hub), { start: 0, end: 1000 })).toEqual(BYTES);
  expect(await bytesOf(client, fileAt(hub), { start: 0, end: 120 })).toEqual(BYTES.subarray(0, 120));
});

test("status 200 with another length is another file", async () => {
  const hub = await serve((_, response) =>
    response.writeHead(200, { "content-length": "999" }).end(BYTES.subarray(1)),
  );
  const error = await refusalOf(bytesOf(clientFor(hub.url), fileAt(hub), { start: 0, end: 120 }));
  expect(error.message).toMatch(/another length.*expected 1000, found 999/);
});

test("a file that changes between two ranges is never mixed where no hash would tell", async () => {
  let etag = '"one"';
  const host = await serve((request, response) =>
    answerRange(request.headers.range, response, { headers: { etag } }),
  );
  const client = clientFor("http://127.0.0.1:1");
  const { sha256: _, ...plain } = fileAt(host, { url: `${host.url}/a` });
  const known = fileAt(host, { url: `${host.url}/b` });
  for (const file of [plain, known]) await bytesOf(client, file, { start: 0, end: 9 });
  etag = '"two"';
  for (const file of [plain, known]) {
    const error = await refusalOf(bytesOf(client, file, { start: 9, end: 19 }));
    expect(error).toMatchObject({ kind: "data", facts: { retryable: file === known } });
    expect(error.message).toMatch(/changed between two ranges .*"one", found "two"/);
  }
  await refusalOf(bytesOf(client, plain, { start: 9, end: 19 }));
  expect(await bytesOf(client, known, { start: 9, end: 19 })).toHaveLength(10);
});

test("no more is read than the receiver takes", async () => {
  const MiB = 2 ** 20;
  let sent = 0;
  const big = 64 * MiB;
  const host = await serve((_, response) => {
    response.writeHead(206, { "content-range": `bytes 0-${big - 1}/${big}`, "content-length": String(big) });
    const more = (): void => {
      while (sent < big) {
        sent += MiB;
        if (!response.write(Buffer.alloc(MiB))) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  });
  const file = { name: "big", byteLength: big, url: `${host.url}/big` };
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let got = 0;
  const done = fetchRange(clientFor(host.url), file, { start: 0, end: big }, async (bytes) => {
    got += bytes.length;
    await held;
  });
  // Buffers of sockets fill, then the server stands still.
  let before = -1;
  await expect
    .poll(
      () => {
        const isStill = sent === before && sent > 0;
        before = sent;
        return isStill;
      },
      { interval: 150, timeout: 20_000 },
    )
    .toBe(true);
  expect(sent).toBeLessThan(big / 2);
  release();
  await done;
  expect(got).toBe(big);
});

test("file:// is read by the same function", async () => {
  const path = join(scratchFolder(), "a b#.bin");
  writeFileSync(path, BYTES);
  const file = { name: "a", byteLength: BYTES.length, url: pathToFileURL(path).href };
  const client = clientFor("http://127.0.0.1:1");
  expect(await bytesOf(client, file, { start: 17, end: 900 })).toEqual(BYTES.subarray(17, 900));
  const changed = await refusalOf(bytesOf(client, { ...file, byteLength: 999 }, { start: 0, end: 9 }));
  expect(changed).toMatchObject({ kind: "data" });
  const gone = await refusalOf(bytesOf(client, { ...file, url: `${file.url}x` }, { start: 0, end: 9 }));
  expect(gone).toMatchObject({ kind: "input" });
  const aborted = AbortSignal.abort(new Error("enough"));
  const read = fetchRange(client, file, { start: 0, end: 9, signal: aborted }, () => {});
  await expect(read).rejects.toThrow("enough");
});
