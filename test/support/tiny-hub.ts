import type { HttpClient } from "../../tools/hub/http-client.ts";
import { clientFor, serve, type TestServer } from "./http.ts";

export const COMMIT = "c0ffee".padEnd(40, "0");

export interface ApiEntry {
  readonly type?: unknown;
  readonly path?: unknown;
  readonly size?: unknown;
  readonly oid?: unknown;
  readonly lfs?: unknown;
}

export const GIT_SHA1 = "12".repeat(20);
export const SHA256 = "ab".repeat(32);

export const plain = (path: unknown, size: unknown = 10): ApiEntry => ({
  type: "file",
  path,
  size,
  oid: GIT_SHA1,
});
export const lfs = (path: string, size = 1000): ApiEntry => ({
  ...plain(path, size),
  lfs: { oid: SHA256, size, pointerSize: 130 },
});

/** The two calls of the Hub that a listing needs; `pages` are what the tree gives, page by page. */
export async function tinyHub(
  pages: readonly unknown[],
  answers: { sha?: unknown; fails?: (count: number) => number | undefined } = {},
): Promise<{ hub: TestServer; client: HttpClient }> {
  const { sha = COMMIT, fails = () => undefined } = answers;
  let count = 0;
  const hub: TestServer = await serve((request, response) => {
    const status = fails(++count);
    if (status) return response.writeHead(status).end();
    const url = new URL(request.url ?? "", "http://host");
    response.setHeader("content-type", "application/json");
    if (url.pathname.includes("/revision/"))
      return response.end(JSON.stringify({ id: "org/name", _id: "1", sha, lastModified: "2026-01-01" }));
    const page = Number(url.searchParams.get("cursor") ?? 0);
    if (page + 1 < pages.length)
      response.setHeader("link", `<${hub.url}${url.pathname}?cursor=${page + 1}>; rel="next"`);
    return response.end(JSON.stringify(pages[page]));
  });
  return { hub, client: clientFor(hub.url) };
}
