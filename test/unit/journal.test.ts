import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "../../tools/lib/disk.ts";
import { openJournal, type PieceRecord } from "../../tools/quantize/journal.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const head = { v4kit: "1", plan: "p", source: "a:1 b:2 c:3", encoders: "q8_0@1", importance: "none" };
const record = (piece: number): PieceRecord => ({
  piece,
  path: "encoded",
  changed: 0,
  verified: 0,
  squaredError: Number.NaN,
  squaredReference: 0.1,
  out: [0xffffffff],
  in: [[1, 2]],
  workedMs: 0.5,
});

let places = 0;
async function sidecar(): Promise<string> {
  const path = join(folder, `sidecar-${places++}`);
  await makeFolder(path);
  return path;
}

test("records come back as they were written, sums that are no numbers too; of two for a piece the later counts", async () => {
  const path = await sidecar();
  const journal = await openJournal(path, head);
  for (const piece of [3, 1]) await journal.record(record(piece));
  await journal.record({ ...record(3), changed: 7 });
  await journal.flush();
  expect(journal.count()).toBe(3);
  await journal.close();
  const again = await openJournal(path, head);
  await again.close();
  expect([...again.finished.keys()].sort()).toEqual([1, 3]);
  expect(again.finished.get(3)).toEqual({ ...record(3), changed: 7 });
});

test("records wait for a batch, and no longer than for the flush", async () => {
  const path = await sidecar();
  const journal = await openJournal(path, head);
  const lines = (): number => readFileSync(join(path, "journal.jsonl"), "utf8").split("\n").length - 1;
  for (let piece = 0; piece < 256; piece++) await journal.record(record(piece));
  expect(lines()).toBe(257);
  await journal.record(record(256));
  await journal.flush();
  expect(lines()).toBe(258);
  await journal.remove();
  const anew = await openJournal(path, head);
  await anew.close();
  expect(anew.finished.size).toBe(0);
});

test("of the source, the file that differs is named", async () => {
  const path = await sidecar();
  await (await openJournal(path, head)).close();
  await expect(openJournal(path, { ...head, source: "a:1 b:9 c:3" })).rejects.toThrow(
    /the source differs \(expected b:2, found b:9\)/,
  );
  await expect(openJournal(path, { ...head, source: "a:1" })).rejects.toThrow(
    /the source differs \(expected b:2, found nothing\)/,
  );
});
