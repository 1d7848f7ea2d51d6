import { expect, test } from "vitest";
import { listRepository } from "../../tools/hub/repository.ts";
import { clientFor, refusalOf, serve, TOKEN } from "../support/http.ts";
import { COMMIT, GIT_SHA1, lfs, plain, SHA256, tinyHub } from "../support/tiny-hub.ts";

const file = { type: "file", size: 1, oid: GIT_SHA1 };

test.each<readonly [string, unknown, RegExp]>([
  ["an absolute path", [plain("/etc/passwd")], /an absolute path/],
  ["a way up", [plain("a/../../b")], /a way up/],
  ["only a way up", [plain("..")], /a way up/],
  ["a dot", [plain("a/./b")], /an empty part/],
  ["a doubled slash", [plain("a//b")], /an empty part/],
  ["a slash at the end", [plain("a/")], /an empty part/],
  ["no name", [plain("")], /an empty part/],
  ["a backslash", [plain("..\\a")], /a backslash/],
  ["a line break", [plain("a\nb")], /a control character/],
  ["an escape sequence", [plain("\u001b[31ma")], /a control character/],
  ["a zero byte", [plain("a\0b")], /a control character/],
  ["half a character", [plain("a\ud800b")], /a control character/],
  ["a name longer than a path", [plain("a".repeat(2000))], /more than 1024 bytes/],
  ["a name that is a number", [plain(7)], /no text/],
  ["git's own folder", [plain("sub/.Git/config")], /git's own folder/],
  ["a folder's way up", [{ type: "directory", path: "../a" }], /a way up/],
  [
    "more folders than any repository has",
    Array.from({ length: 250 }, (_, i) => plain(`${i}${"/d".repeat(500)}`)),
    /more than 100000 folders/,
  ],
  ["one name twice", [plain("a"), plain("a")], /a name appears twice/],
  ["a file and a folder of one name", [plain("a"), plain("a/b")], /a file and a folder of one name/],
  [
    "a file and a listed folder of one name",
    [{ type: "directory", path: "a" }, plain("a")],
    /a file and a folder/,
  ],
  ["a negative size", [plain("a", -1)], /a size \(found -1\)/],
  ["half a byte", [plain("a", 0.5)], /a size/],
  ["a size larger than any disk", [plain("a", 2 ** 51)], /a size/],
  ["a size that is no number", [plain("a", "10")], /a size/],
  ["no size", [{ type: "file", path: "a", oid: GIT_SHA1 }], /a size/],
  ["two sizes", [{ ...lfs("a", 10), size: 11 }], /two sizes \(found 11 and 10\)/],
  ["a hash that is a path", [{ ...file, path: "a", lfs: { oid: "../x", size: 1 } }], /no SHA-256/],
  ["a hash in capitals", [{ ...file, path: "a", lfs: { oid: SHA256.toUpperCase(), size: 1 } }], /no SHA-256/],
  ["no hash", [{ ...file, path: "a", lfs: { size: 1 } }], /no SHA-256/],
  ["a git hash that is a path", [{ ...file, path: "a", oid: "../../x" }], /no git hash/],
  ["an entry that is nothing", [null], /an entry that is no object/],
])("%s", async (_, entries, line) => {
  const { client } = await tinyHub([entries]);
  const error = await refusalOf(listRepository(client, "org/name"));
  expect(error).toMatchObject({ kind: "data" });
  expect(error.message).toMatch(line);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach a terminal
  expect(error.message).not.toMatch(/[\u0000-\u001f]/);
});

test("a name of prototypes is a name", async () => {
  const names = ["__proto__", "constructor", "a/__proto__/b", "toString", "C:", "é", "a b", "-rf"];
  const { client } = await tinyHub([names.map((name) => plain(name))]);
  const { files } = await listRepository(client, "org/name");
  expect(files.map(({ name }) => name).sort()).toEqual([...names].sort());
});

test.each(["", "main", "../../etc", "C0FFEE".padEnd(40, "0"), COMMIT.slice(1), `${COMMIT}\n`, 7, null])(
  "a commit that is none: %j",
  async (sha) => {
    const { client } = await tinyHub([[]], { sha });
    expect(await refusalOf(listRepository(client, "org/name"))).toMatchObject({ kind: "data" });
  },
);

test("another commit than the one that was asked for", async () => {
  const { client } = await tinyHub([[]]);
  const error = await refusalOf(listRepository(client, "org/name", { revision: "d0".repeat(20) }));
  expect(error.message).toMatch(/another commit/);
});

test.each(["../../x", "a/../b", "/a", "a\\b", "a b", "a\nb", "a:b", "", "~1", "a*"])(
  "a revision that leads elsewhere is refused before anything is asked: %j",
  async (revision) => {
    const { hub, client } = await tinyHub([[]]);
    expect(await refusalOf(listRepository(client, "org/name", { revision }))).toMatchObject({
      kind: "usage",
    });
    expect(hub.seen).toEqual([]);
  },
);

test.each(["name", "a/b/c", "../b", "a/..", "a/b?x", "a/b#", "-a/b", "a/b--c", "a\n/b", ""])(
  "an id that is none: %j",
  async (id) => {
    const { hub, client } = await tinyHub([[]]);
    expect(await refusalOf(listRepository(client, id))).toMatchObject({ kind: "usage" });
    expect(hub.seen).toEqual([]);
  },
);

test.each(["<html>login</html>", '{"error": 1}', "null", "", `[${TOKEN}`])(
  "a page that is no page, from a proxy or a hotel: %j",
  async (text) => {
    const hub = await serve((request, response) =>
      response.end(request.url?.includes("/revision/") ? JSON.stringify({ sha: COMMIT }) : text),
    );
    const error = await refusalOf(listRepository(clientFor(hub.url), "org/name", { baseMs: 0 }));
    expect(error).toMatchObject({ kind: "data" });
    expect(error.message).toMatch(/not what the Hub's interface gives/);
  },
);

test("pages without end and a page without end come to one", async () => {
  const endless = await serve((request, response) => {
    if (request.url?.includes("/revision/")) return response.end(JSON.stringify({ sha: COMMIT }));
    response.setHeader("link", `<${endless.url}/api/models/org/name/tree/x>; rel="next"`);
    return response.end("[]");
  });
  const pages = await refusalOf(listRepository(clientFor(endless.url), "org/name"));
  expect(pages.message).toMatch(/more than 200 pages/);
  const wide = await serve((_, response) => {
    const more = (): void => {
      while (response.write(" ".repeat(65_536)));
      response.once("drain", more);
    };
    more();
  });
  const page = await refusalOf(listRepository(clientFor(wide.url), "org/name"));
  expect(page.message).toMatch(/unreasonably large/);
});
