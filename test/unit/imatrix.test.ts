import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ImportanceFile, importanceFits, openImportance } from "../../tools/formats/imatrix/reader.ts";
import { datBytes, IMATRIX_TYPE, pairOf, writeDat, writeImportanceGguf } from "../support/imatrix.ts";
import { FULL, scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const GATE = "blk.3.ffn_gate_exps.weight";
const DENSE = "blk.3.attn_q_a.weight";

async function withFile<T>(path: string, use: (file: ImportanceFile) => Promise<T>): Promise<T> {
  const file = await openImportance(path);
  return use(file).finally(() => file.close());
}

/** The vector of a matrix, or undefined where no token was counted. */
async function means(file: ImportanceFile, name: string, matrix: number, columns: number) {
  const into = new Float32Array(columns).fill(-1);
  const counted = await file.read(name, matrix, into);
  if (!counted) expect(into).toEqual(new Float32Array(columns).fill(1));
  return counted ? Array.from(into) : undefined;
}

test("a GGUF: sums over the count of their matrix, ones where nothing was counted", async () => {
  const path = writeImportanceGguf(
    join(folder, "a.gguf"),
    [
      ...pairOf(GATE, [2, 4, 6, 9, 9, 9, 1, 2, 1], [2, 0, 3]),
      ...pairOf(DENSE, [10, 0], [4]),
      { name: `${DENSE}.in_sum`, ne: [2, 1], values: [1, 1] },
    ],
    [
      IMATRIX_TYPE,
      ["imatrix.datasets", { type: "array", of: "string", value: ["a.txt", "b.txt"] }],
      ["imatrix.chunk_count", { type: "u32", value: 7 }],
    ],
  );
  await withFile(path, async (file) => {
    expect([file.format, file.datasets, file.chunks, file.path]).toEqual([
      "gguf",
      ["a.txt", "b.txt"],
      7,
      path,
    ]);
    expect(file.sha256).toBe(createHash("sha256").update(readFileSync(path)).digest("hex"));
    expect([...file.entries.keys()]).toEqual([GATE, DENSE]);
    expect(file.entries.get(GATE)).toMatchObject({ columns: 3, matrices: 3 });
    expect(file.entries.get(DENSE)).toMatchObject({ columns: 2, matrices: 1 });
    expect(await means(file, GATE, 0, 3)).toEqual([1, 2, 3]);
    expect(await means(file, GATE, 1, 3)).toBeUndefined();
    expect(await means(file, GATE, 2, 3)).toEqual([1 / 3, 2 / 3, 1 / 3].map(Math.fround));
    expect(await means(file, DENSE, 0, 2)).toEqual([2.5, 0]);
  });
});

test("ggml leaves out trailing dimensions of 1, and the keys besides the type", async () => {
  const path = writeImportanceGguf(join(folder, "trimmed.gguf"), [
    { name: `${DENSE}.counts`, ne: [1], values: [2] },
    { name: `${DENSE}.in_sum2`, ne: [3], values: [2, 4, 8] },
  ]);
  await withFile(path, async (file) => {
    expect([file.datasets, file.chunks]).toEqual([[], undefined]);
    expect(await means(file, DENSE, 0, 3)).toEqual([1, 2, 4]);
  });
});

test("a legacy file: sums over calls, the vectors of a stack one after the other", async () => {
  const entries = [
    { name: GATE, calls: 2, values: [2, 4, 6, 8, 10, 12] },
    { name: DENSE, calls: 0, values: [5, 5] },
  ];
  const path = writeDat(folder, entries, { chunks: 12, dataset: "wiki.txt" });
  await withFile(path, async (file) => {
    expect([file.format, file.datasets, file.chunks]).toEqual(["dat", ["wiki.txt"], 12]);
    expect(file.sha256).toBe(createHash("sha256").update(readFileSync(path)).digest("hex"));
    expect(await means(file, GATE, 0, 2)).toEqual([1, 2]);
    expect(await means(file, GATE, 2, 2)).toEqual([5, 6]);
    expect(await means(file, GATE, 1, 3)).toEqual([4, 5, 6]);
    expect(await means(file, DENSE, 0, 2)).toBeUndefined();
  });
  await withFile(writeDat(folder, entries), async (file) => {
    expect([file.datasets, file.chunks]).toEqual([[], undefined]);
  });
});

test("a GGUF made from a legacy file has one long vector and one count per stack", async () => {
  const path = writeImportanceGguf(join(folder, "flat.gguf"), pairOf(GATE, [2, 4, 6, 8, 10, 12], [2]));
  await withFile(path, async (file) => {
    expect(await means(file, GATE, 2, 2)).toEqual([5, 6]);
  });
});

test("the name of a file says nothing about its format", async () => {
  const gguf = writeImportanceGguf(join(folder, "b.gguf"), pairOf(DENSE, [1], [1]));
  renameSync(gguf, join(folder, "b.dat"));
  await withFile(join(folder, "b.dat"), async ({ format }) => expect(format).toBe("gguf"));
  renameSync(writeDat(folder, [{ name: DENSE, calls: 1, values: [1] }]), gguf);
  await withFile(gguf, async ({ format }) => expect(format).toBe("dat"));
});

test("which tensors an entry fits", () => {
  const stack = { columns: 8, matrices: 4 };
  const flat = { columns: 32, matrices: 1 };
  for (const entry of [stack, flat]) {
    expect(importanceFits(entry, stack)).toBe(true);
    expect(importanceFits(entry, { columns: 8, matrices: 5 })).toBe(false);
    expect(importanceFits(entry, { columns: 9, matrices: 4 })).toBe(false);
  }
  expect(importanceFits(stack, { columns: 16, matrices: 2 })).toBe(false);
  expect(importanceFits(stack, flat)).toBe(false);
});

test("whatever the numbers, both formats give the mean rounded once", async () => {
  const sum = fc.float({ noNaN: true, noDefaultInfinity: true, min: 0 });
  const shape = fc.record({
    columns: fc.integer({ min: 1, max: 9 }),
    counts: fc.array(fc.nat(2 ** 24), { minLength: 1, maxLength: 4 }),
  });
  const stacks = shape.chain(({ columns, counts }) =>
    fc.record({
      columns: fc.constant(columns),
      counts: fc.constant(counts),
      sums: fc.array(sum, { minLength: columns * counts.length, maxLength: columns * counts.length }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(stacks, async ({ columns, counts, sums }) => {
      const part = (m: number) => sums.slice(m * columns, (m + 1) * columns);
      const mean = (m: number, count: number) =>
        count === 0 ? undefined : part(m).map((value) => Math.fround(value / count) + 0);
      await withFile(
        writeImportanceGguf(join(folder, "p.gguf"), pairOf(GATE, sums, counts)),
        async (file) => {
          for (const [m, count] of counts.entries())
            expect((await means(file, GATE, m, columns))?.map((value) => value + 0)).toEqual(mean(m, count));
        },
      );
      const [calls] = counts;
      await withFile(writeDat(folder, [{ name: GATE, calls, values: sums }]), async (file) => {
        for (const m of counts.keys())
          expect((await means(file, GATE, m, columns))?.map((value) => value + 0)).toEqual(mean(m, calls));
      });
    }),
    { numRuns: 60 },
  );
});

test.skipIf(!FULL)("a legacy file beyond 2 GiB", async () => {
  const path = join(folder, "large.dat");
  const length = 600_000_000;
  const first = datBytes([{ name: GATE, calls: 1, values: [], valueCount: length }], { entryCount: 2 });
  const second = datBytes([{ name: DENSE, calls: 2, values: [2, 6] }]).subarray(4);
  const file = openSync(path, "w");
  writeSync(file, first);
  writeSync(file, Float32Array.of(3), 0, 4, first.length + 4 * (length - 1));
  writeSync(file, second, 0, second.length, first.length + 4 * length);
  closeSync(file);
  await withFile(path, async (importance) => {
    expect(await means(importance, GATE, length / 4 - 1, 4)).toEqual([0, 0, 0, 3]);
    expect(await means(importance, DENSE, 0, 2)).toEqual([1, 3]);
  });
});
