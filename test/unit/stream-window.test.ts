import { join } from "node:path";
import { expect, test } from "vitest";
import { createExtents } from "../../tools/hub/extents.ts";
import { type FetchUnit, planUnits, type UnitLimits } from "../../tools/hub/stream-units.ts";
import { type FetchBytes, openWindow, type WindowOptions } from "../../tools/hub/stream-window.ts";
import { openNameless } from "../../tools/lib/disk.ts";
import type { PlannedRead } from "../../tools/lib/files.ts";
import { FULL, scratchFolder, seededRandom } from "../support/scratch.ts";

const folder = scratchFolder();
const limits: UnitLimits = { unitBytes: 100, gapBytes: 4, reachBytes: 200, keptBytes: 400 };

const read = (start: number, end: number, name = "a"): PlannedRead => ({ name, start, end });
const planned = async (reads: readonly PlannedRead[], changed: Partial<UnitLimits> = {}) =>
  (await planUnits(reads, { ...limits, ...changed })).map(
    ({ name, start, end, usedBytes }) => `${name} ${start}-${end} ${usedBytes}`,
  );

test("neighbours in a file that are read one after the other are fetched as one", async () => {
  expect(await planned([read(0, 40), read(40, 50), read(52, 60)])).toEqual(["a 0-60 58"]);
  expect(await planned([read(40, 60), read(10, 40), read(8, 10)])).toEqual(["a 8-60 52"]);
  expect(await planned([read(0, 10), read(0, 10, "b"), read(10, 20), read(10, 20, "b")])).toEqual([
    "a 0-20 20",
    "b 0-20 20",
  ]);
});

test("a gap, the length of a unit and the distance in time end one", async () => {
  expect(await planned([read(0, 10), read(15, 20)])).toEqual(["a 0-10 10", "a 15-20 5"]);
  expect(await planned([read(0, 250)])).toEqual(["a 0-100 100", "a 100-200 100", "a 200-250 50"]);
  const between = Array.from({ length: 3 }, (_, i) => read(1000 * i, 1000 * i + 100, "b"));
  expect((await planned([read(0, 10), ...between, read(10, 20)])).at(-1)).toBe("a 10-20 10");
});

test("what is read again soon is fetched once, what is read again late a second time", async () => {
  expect(await planned([read(0, 50), read(50, 90), read(0, 30), read(30, 90)])).toEqual(["a 0-90 180"]);
  expect(await planned([read(0, 100), read(500, 600), read(0, 100)], { keptBytes: 50 })).toEqual([
    "a 0-100 100",
    "a 500-600 100",
    "a 0-100 100",
  ]);
});

test("places are joined again when they come back, in any order", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 20; round++) {
    const extents = createExtents(1000);
    const taken: [number, number][] = [];
    for (;;) {
      const length = 1 + Math.floor(random() * 90);
      const at = extents.take(length);
      if (at === undefined) break;
      expect(taken.every(([start, bytes]) => at + length <= start || at >= start + bytes)).toBe(true);
      taken.push([at, length]);
    }
    expect(extents.usedBytes()).toBe(taken.reduce((sum, [, length]) => sum + length, 0));
    for (const [at, length] of taken.sort(() => random() - 0.5)) extents.give(at, length);
    expect(extents.take(1000)).toBe(0);
  }
});

/** The byte of a file at a position. */
const byteAt = (name: string, position: number): number => (31 * position + 7 * name.charCodeAt(0)) & 255;
const bytesOf = (name: string, start: number, end: number): Uint8Array =>
  Uint8Array.from({ length: end - start }, (_, i) => byteAt(name, start + i));

/** A server that sends bytes in small pieces and notes what it was asked for. */
function server() {
  const asked: string[] = [];
  const fetch: FetchBytes = async (name, { start, end, signal }, onBytes) => {
    asked.push(`${name} ${start}-${end}`);
    for (let at = start; at < end; at += 7) {
      await Promise.resolve();
      signal.throwIfAborted();
      await onBytes(bytesOf(name, at, Math.min(end, at + 7)), at);
    }
  };
  return { asked, fetch };
}

let windows = 0;
async function windowOf(units: readonly FetchUnit[], options: Partial<WindowOptions> = {}) {
  const { asked, fetch } = server();
  const scratch = await openNameless(join(folder, `window-${windows++}`));
  const window = openWindow({ units, windowBytes: 400, connections: 2, scratch, fetch, ...options });
  const expectRead = async ({ name, start, end }: PlannedRead): Promise<void> => {
    const into = new Uint8Array(end - start);
    await window.read(name, into, start);
    expect(into).toEqual(bytesOf(name, start, end));
  };
  return { window, asked, expectRead };
}

/** Reads of two passes over matrices that lie anywhere in two files, as a conversion makes them. */
function passes(seed: number, count: number): PlannedRead[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor(random() * 5000);
    const length = 1 + Math.floor(random() * 150);
    const name = i % 3 === 0 ? "b" : "a";
    const once = [read(start, start + length, name), read(start + length, start + length + 8, name)];
    return random() < 0.5 ? once : [...once, ...once];
  }).flat();
}

test("every read gets its bytes, in whatever order; the window stays in its bounds and ends empty", async () => {
  for (let seed = 1; seed <= (FULL ? 200 : 12); seed++) {
    const reads = passes(seed, 60);
    const units = await planUnits(reads, limits);
    const { window, expectRead, asked } = await windowOf(units);
    const random = seededRandom(seed);
    // Several at a time, and not quite in the planned order.
    const running = new Set<Promise<void>>();
    const order = reads.map((each, i) => [i + 6 * random(), each] as const).sort(([a], [b]) => a - b);
    for (const [, each] of order) {
      const job: Promise<void> = expectRead(each).finally(() => running.delete(job));
      running.add(job);
      if (running.size >= 5) await Promise.race(running);
    }
    await Promise.all(running);
    const { peakBytes, usedBytes, fetches } = window.facts();
    expect(peakBytes).toBeLessThanOrEqual(400);
    expect(usedBytes).toBe(0);
    expect(fetches).toBe(asked.length);
    await window.close();
  }
});

test("reads in the planned order fetch every unit once and nothing else", async () => {
  const reads = passes(99, 80);
  const units = await planUnits(reads, limits);
  const { window, expectRead, asked } = await windowOf(units, { windowBytes: 100_000 });
  for (const each of reads) await expectRead(each);
  expect(asked).toEqual(units.map(({ name, start, end }) => `${name} ${start}-${end}`));
  expect(window.facts()).toMatchObject({ directFetches: 0, usedBytes: 0 });
  await window.close();
});

test("fetching runs ahead of reading as far as the window is wide, and goes on when a unit is used up", async () => {
  const reads = Array.from({ length: 10 }, (_, i) => read(1000 * i, 1000 * i + 100));
  const { window, expectRead, asked } = await windowOf(await planUnits(reads, limits));
  await expectRead(reads[0]);
  await expect.poll(() => asked.length).toBe(5);
  await new Promise((resolve) => setImmediate(resolve));
  expect([asked.length, window.facts().usedBytes]).toEqual([5, 400]);
  await expectRead(reads[1]);
  await expect.poll(() => asked.length).toBe(6);
  await window.close();
});

test("a read that nobody planned fetches for itself, around what was planned", async () => {
  const reads = [read(100, 150), read(300, 310)];
  const { window, expectRead, asked } = await windowOf(await planUnits(reads, limits));
  await expect.poll(() => asked.length).toBe(2);
  await expectRead(read(0, 10, "z"));
  await expectRead(read(90, 170));
  await expectRead(read(100, 150));
  expect(asked).toEqual(["a 100-150", "a 300-310", "z 0-10", "a 90-100", "a 150-170", "a 100-150"]);
  await expectRead(reads[1]);
  expect(window.facts()).toMatchObject({ directFetches: 4, usedBytes: 0 });
  await window.close();
});

test("a read behind a window full of what others have yet to read does not wait for them", async () => {
  const reads = Array.from({ length: 8 }, (_, i) => read(1000 * i, 1000 * i + 100));
  const { window, expectRead } = await windowOf(await planUnits(reads, limits), { windowBytes: 200 });
  for (const each of [...reads].reverse()) await expectRead(each);
  const { peakBytes, usedBytes, directFetches } = window.facts();
  expect([peakBytes, usedBytes]).toEqual([200, 0]);
  expect(directFetches).toBeGreaterThan(0);
  await window.close();
});

test("a fetch that fails fails the reads, now and later, and nothing more is fetched", async () => {
  const reads = Array.from({ length: 6 }, (_, i) => read(1000 * i, 1000 * i + 100));
  const { fetch, asked } = server();
  const failing: FetchBytes = async (name, range, onBytes) => {
    if (range.start === 1000) throw new Error("the line is cut");
    return fetch(name, range, onBytes);
  };
  const { window } = await windowOf(await planUnits(reads, limits), { fetch: failing });
  await expect(window.read("a", new Uint8Array(100), 1000)).rejects.toThrow("the line is cut");
  await expect(window.read("a", new Uint8Array(100), 5000)).rejects.toThrow("the line is cut");
  await expect(window.read("z", new Uint8Array(1), 0)).rejects.toThrow("the line is cut");
  expect(asked.length).toBeLessThan(4);
  await window.close();
});

test("closing ends what is under way, without an error that nobody hears", async () => {
  let aborted = 0;
  const never: FetchBytes = (_name, { signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted++;
        reject(signal.reason);
      });
    });
  const { window } = await windowOf(await planUnits([read(0, 100), read(200, 300)], limits), {
    fetch: never,
  });
  const waiting = window.read("a", new Uint8Array(10), 0);
  await Promise.all([expect(waiting).rejects.toThrow(), window.close()]);
  expect(aborted).toBe(2);
});
