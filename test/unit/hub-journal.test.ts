import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  frontierOf,
  gapsOf,
  lengthOf,
  overlaps,
  type Ranges,
  withRange,
} from "../../tools/hub/byte-ranges.ts";
import { fitsPattern } from "../../tools/hub/file-patterns.ts";
import { createPieceWriter } from "../../tools/hub/piece-writer.ts";
import { openRangeJournal, type Piece } from "../../tools/hub/range-journal.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const spans = fc.array(
  fc.tuple(fc.nat(40), fc.nat(12)).map(([start, length]) => ({ start, end: start + length })),
  { maxLength: 24 },
);

test("ranges are what a set of bytes is", () => {
  fc.assert(
    fc.property(spans, fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 12 })), (added, [at, length]) => {
      let ranges: Ranges = [];
      const bytes = new Set<number>();
      for (const span of added) {
        ranges = withRange(ranges, span);
        for (let byte = span.start; byte < span.end; byte++) bytes.add(byte);
      }
      const all = Array.from({ length: 60 }, (_, byte) => byte);
      const has = (list: Ranges, byte: number): boolean =>
        list.some(({ start, end }) => start <= byte && byte < end);
      expect(all.filter((byte) => has(ranges, byte))).toEqual(all.filter((byte) => bytes.has(byte)));
      expect(all.filter((byte) => has(gapsOf(ranges, 60), byte))).toEqual(
        all.filter((byte) => !bytes.has(byte)),
      );
      expect(lengthOf(ranges)).toBe(bytes.size);
      expect(frontierOf(ranges)).toBe(all.find((byte) => !bytes.has(byte)));
      const probe = { start: at, end: at + length };
      expect(overlaps(ranges, probe)).toBe(
        all.some((byte) => bytes.has(byte) && at <= byte && byte < probe.end),
      );
      ranges.forEach(({ start, end }, i) => {
        expect(start).toBeLessThan(end);
        if (i > 0) expect(start).toBeGreaterThan(ranges[i - 1].end);
      });
    }),
  );
});

const HEAD = { content: "sha256:abc", byteLength: 100 };
const piece = (start: number, end: number, crc32 = start): Piece => ({ start, end, crc32 });

async function journalWith(name: string, ...pieces: Piece[]): Promise<string> {
  const path = join(folder, name);
  const journal = await openRangeJournal(path, HEAD);
  expect(journal.found).toEqual([]);
  for (const one of pieces) journal.record(one);
  await journal.flush();
  await journal.close();
  return path;
}

test("pieces on record come back in order, whatever order they came in", async () => {
  const path = await journalWith("order", piece(50, 60), piece(0, 10), piece(10, 50));
  const journal = await openRangeJournal(path, HEAD);
  expect(journal.found).toEqual([piece(0, 10), piece(10, 50), piece(50, 60)]);
  expect(journal.other).toBeUndefined();
  await journal.close();
});

test("of two pieces that overlap the later counts", async () => {
  const path = await journalWith("later", piece(0, 10, 1), piece(20, 30, 2), piece(5, 15, 3));
  const journal = await openRangeJournal(path, HEAD);
  expect(journal.found).toEqual([piece(5, 15, 3), piece(20, 30, 2)]);
  await journal.close();
});

test("a torn or damaged line ends the journal, and it goes on from there", async () => {
  for (const [name, damage] of [
    ["torn", '{"start":20,"en'],
    ["nul", "\0\0\0\0\n"],
    ["text", 'no JSON\n{"start":20,"end":30,"crc32":20}\n'],
  ]) {
    const path = await journalWith(name, piece(0, 10));
    appendFileSync(path, damage);
    const journal = await openRangeJournal(path, HEAD);
    expect(journal.found).toEqual([piece(0, 10)]);
    journal.record(piece(10, 20));
    await journal.close();
    expect((await reopened(path)).found).toEqual([piece(0, 10), piece(10, 20)]);
  }
});

async function reopened(path: string) {
  const journal = await openRangeJournal(path, HEAD);
  await journal.close();
  return journal;
}

test("lines that claim what cannot be are passed over", async () => {
  const path = await journalWith("lies", piece(0, 10));
  const lies = [piece(90, 101), piece(30, 20), piece(-5, 5), { start: 1 }, piece(0.5, 3), [], null];
  appendFileSync(path, lies.map((lie) => `${JSON.stringify(lie)}\n`).join(""));
  expect((await reopened(path)).found).toEqual([piece(0, 10)]);
});

test("the journal of another content, and one that is none, is begun anew", async () => {
  const path = await journalWith("other", piece(0, 10));
  const journal = await openRangeJournal(path, { ...HEAD, content: "sha256:def" });
  expect(journal.found).toEqual([]);
  expect(journal.other).toEqual(HEAD);
  await journal.close();
  expect(readFileSync(path, "utf8")).toBe('{"content":"sha256:def","byteLength":100}\n');
  const garbage = join(folder, "garbage");
  writeFileSync(garbage, '\0\0{"start":0,"end":10,"crc32":0}\n');
  expect(await reopened(garbage)).toMatchObject({ found: [] });
  expect(readFileSync(garbage, "utf8")).toBe('{"content":"sha256:abc","byteLength":100}\n');
});

test("pieces hold what came, in order, however it was cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(40), { maxLength: 30 }),
      fc.integer({ min: 1, max: 32 }),
      async (lengths, size) => {
        const total = lengths.reduce((sum, length) => sum + length, 0);
        const expected = Uint8Array.from({ length: total }, (_, i) => i % 251);
        const written = new Uint8Array(total);
        let next = 7;
        const writer = createPieceWriter({
          start: 7,
          buffers: [new Uint8Array(size), new Uint8Array(size)],
          async write(bytes, position) {
            expect(position).toBe(next);
            expect(bytes.length).toBeLessThanOrEqual(size);
            next += bytes.length;
            await new Promise(setImmediate);
            // The buffer must still hold these bytes.
            written.set(bytes, position - 7);
          },
        });
        let done = 0;
        for (const length of lengths) {
          await writer.add(expected.slice(done, done + length));
          done += length;
        }
        await writer.flush();
        expect(written).toEqual(expected);
      },
    ),
  );
});

test("a piece that cannot be written stops its connection", async () => {
  const writer = createPieceWriter({
    start: 0,
    buffers: [new Uint8Array(4), new Uint8Array(4)],
    write: () => Promise.reject(new Error("the disk is full")),
  });
  await writer.add(new Uint8Array(4));
  await expect((async () => writer.add(new Uint8Array(4)))()).rejects.toThrow("the disk is full");
  await expect(writer.flush()).rejects.toThrow("the disk is full");
});

/** What Python's fnmatch.fnmatchcase says of each pattern. */
const NAMES = [
  ...["config.json", "sub/config.json", "abc", "a/c", "ax", "dx", "sub/deep/x", "m.safetensors", "]x", "[x"],
  ...["a.b", "axb", "zx", "model-00002-of-00046.safetensors", "model-00005-of-00046.safetensors", "a[b"],
  ...["-x", "^x", "1", "é.json", "line\nfeed.json"],
];
test.each([
  ["*.json", ["config.json", "sub/config.json", "é.json", "line\nfeed.json"]],
  ["*", NAMES],
  ["a?c", ["abc", "a/c"]],
  ["[a-c]x", ["ax"]],
  ["[!a-c]x", ["dx", "]x", "[x", "zx", "-x", "^x"]],
  ["sub/*", ["sub/config.json", "sub/deep/x"]],
  ["*.saf[e-f]*", ["m.safetensors", "model-00002-of-00046.safetensors", "model-00005-of-00046.safetensors"]],
  ["[]]x", ["]x"]],
  ["[x", ["[x"]],
  ["a.b", ["a.b"]],
  ["[z-a]x", []],
  ["model-0000[1-3]-of-*", ["model-00002-of-00046.safetensors"]],
  ["a[b", ["a[b"]],
  ["[a-]x", ["ax", "-x"]],
  ["**/x", ["sub/deep/x"]],
  ["[^a]x", ["ax", "^x"]],
  ["\\d", []],
  // Not fnmatch's, but what huggingface_hub makes of a folder.
  ["sub/", ["sub/config.json", "sub/deep/x"]],
])("pattern %s", (pattern, expected) => {
  expect(NAMES.filter((name) => fitsPattern(name, pattern))).toEqual(expected);
});
