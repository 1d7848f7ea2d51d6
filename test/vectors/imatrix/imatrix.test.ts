import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { importanceFits, openImportance } from "../../../tools/formats/imatrix/reader.ts";

type Means = Record<string, (readonly number[] | null)[]>;

const at = (name: string): string => new URL(name, import.meta.url).pathname;
const expected: Record<"gguf" | "dat", Means> = JSON.parse(readFileSync(at("means.json"), "utf8"));

test.each([
  ["gguf", ["calibration.txt", "more.txt"]],
  ["dat", ["calibration.txt"]],
] as const)("the means of a %s that others wrote", async (format, datasets) => {
  const file = await openImportance(at(`stacks.${format}`));
  try {
    expect(file).toMatchObject({ format, datasets, chunks: 8 });
    expect([...file.entries.keys()]).toEqual(Object.keys(expected[format]));
    for (const [name, matrices] of Object.entries(expected[format])) {
      const columns = (matrices[0] as readonly number[]).length;
      const entry = file.entries.get(name)!;
      expect(importanceFits(entry, { columns, matrices: matrices.length })).toBe(true);
      for (const [matrix, means] of matrices.entries()) {
        const into = new Float32Array(columns);
        expect(await file.read(name, matrix, into)).toBe(means !== null);
        expect(Array.from(into)).toEqual(means ?? Array(columns).fill(1));
      }
    }
  } finally {
    await file.close();
  }
});
