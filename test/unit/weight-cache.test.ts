import { expect, test } from "vitest";
import type { Linear } from "../../tools/reference/linear.ts";
import type { TensorLoader } from "../../tools/reference/load-layer.ts";
import { cachedLoader } from "../../tools/reference/weight-cache.ts";
import { seededRandom } from "../support/scratch.ts";

/** A loader of vectors of 4 bytes, or as many times 4 as the name's digits say, that writes down what is read. */
function recordingLoader() {
  const reads: string[] = [];
  const vector = async (name: string): Promise<Float32Array> => {
    reads.push(name);
    if (name.startsWith("broken")) throw new Error(`cannot read ${name}`);
    return new Float32Array(Number(name.match(/\d+/)?.[0] ?? 1));
  };
  const loader: TensorLoader = {
    has: (name) => name === "there",
    vector,
    table: async (name) => new Int32Array((await vector(name)).buffer),
    matrix: async (name) => ({ byteLength: (await vector(name)).byteLength }) as unknown as Linear,
    rows: vector,
  };
  return { loader, reads };
}

/** The names that had to be read, when `names` are asked for one after the other. */
async function readsOf(names: readonly string[], budgetBytes: number): Promise<string> {
  const { loader, reads } = recordingLoader();
  const cached = cachedLoader(loader, budgetBytes);
  for (const name of names) expect((await cached.vector(name)).length).toBeGreaterThan(0);
  return reads.join(" ");
}

test.each([
  ["what fits is read once", "a b c a b c", 12, "a b c"],
  ["the one asked for longest ago goes first", "a b c d a", 12, "a b c d a"],
  ["asking again makes it young", "a b c a d a b", 12, "a b c d b"],
  ["a large one takes the place of as many as it needs", "a b c x2 c x2 b a", 12, "a b c x2 b a"],
  ["one larger than the budget is not kept, and drives out nothing", "a b x9 a b x9", 12, "a b x9 x9"],
  ["one as large as the budget is kept", "a x3 x3 a", 12, "a x3 a"],
  ["no budget, nothing kept", "a a", 0, "a a"],
])("%s", async (_, names, budgetBytes, reads) => {
  expect(await readsOf(names.split(" "), budgetBytes)).toBe(reads);
});

test("what is read again follows from a plain list, youngest last, that never weighs more than the budget", async () => {
  const { loader, reads } = recordingLoader();
  const cached = cachedLoader(loader, 100);
  const random = seededRandom(3);
  const expected: string[] = [];
  let list: { name: string; byteLength: number }[] = [];
  for (let i = 0; i < 2000; i++) {
    const count = 1 + Math.floor(12 * random());
    const asked = { name: `w${count}`, byteLength: 4 * count };
    if (!list.some(({ name }) => name === asked.name)) expected.push(asked.name);
    list = [...list.filter(({ name }) => name !== asked.name), asked];
    while (list.reduce((sum, { byteLength }) => sum + byteLength, 0) > 100) list.shift();
    await cached.vector(asked.name);
  }
  expect(reads).toEqual(expected);
  expect(reads.length).toBeGreaterThan(500);
  expect(reads.length).toBeLessThan(1500);
});

test("asked for again while it is being read: one read, the same object for all", async () => {
  const { loader, reads } = recordingLoader();
  const cached = cachedLoader(loader, 100);
  const [one, two] = await Promise.all([cached.matrix("m5"), cached.matrix("m5")]);
  expect(one).toBe(two);
  expect(await cached.matrix("m5")).toBe(one);
  expect(reads).toEqual(["m5"]);
});

test("reads that overlap keep to the budget when they end", async () => {
  const { loader, reads } = recordingLoader();
  const cached = cachedLoader(loader, 12);
  await Promise.all(["a", "b", "c", "d", "e"].map((name) => cached.vector(name)));
  reads.length = 0;
  for (const name of ["c", "d", "e"]) await cached.vector(name);
  expect(reads).toEqual([]);
  await cached.vector("a");
  expect(reads).toEqual(["a"]);
});

test("a failed read is heard by all who asked, and tried again by the next", async () => {
  const { loader, reads } = recordingLoader();
  const cached = cachedLoader(loader, 100);
  const asks = await Promise.allSettled([cached.vector("broken"), cached.vector("broken")]);
  expect(asks.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await expect(cached.vector("broken")).rejects.toThrow("cannot read broken");
  expect(reads).toEqual(["broken", "broken"]);
});

test("one name as vector, table and matrix is three things; parts of a matrix are not kept", async () => {
  const { loader, reads } = recordingLoader();
  const cached = cachedLoader(loader, 100);
  expect(await cached.vector("x2")).toBeInstanceOf(Float32Array);
  expect(await cached.table("x2")).toBeInstanceOf(Int32Array);
  expect(await cached.matrix("x2")).toMatchObject({ byteLength: 8 });
  expect(reads.length).toBe(3);
  for (let i = 0; i < 2; i++) {
    await cached.matrix("x2", { first: 0, count: 1 });
    await cached.rows("x2", [0]);
  }
  expect(reads.length).toBe(7);
  expect([cached.has("there"), cached.has("x2")]).toEqual([true, false]);
});
