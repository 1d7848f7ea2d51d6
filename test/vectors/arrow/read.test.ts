import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeArrow } from "../../../reports/arrow-writer.ts";
import { LAYERS, type LayerRow } from "../../../reports/schemas/validation.ts";
import { scratchFolder } from "../../support/scratch.ts";

/** read.json is what pyarrow read from layers.arrow (read.py); today's writer must still write those bytes. */
const folder = scratchFolder();
const vector = (name: string): string => join(import.meta.dirname, name);

const rows: readonly LayerRow[] = [1, 0.1, Number.NaN, Number.POSITIVE_INFINITY, 5e-324].map(
  (value, layer) => ({
    layer,
    ratio: 4 ** layer,
    tokens: 2 ** 31 - 1 - layer,
    rms: value,
    nmse: -value,
    cosine: value / 3,
    maxDifference: 1 / 3,
    expertsChanged: 0,
    expertOverlap: 1,
    indexerTokens: layer - 2,
    rowsChanged: 0.5,
  }),
);

test("pyarrow reads what was written", async () => {
  const path =
    process.env.V4KIT_WRITE_VECTORS === "1" ? vector("layers.arrow") : join(folder, "layers.arrow");
  await writeArrow(path, rows, { schema: LAYERS, metadata: { v4kit: "vector", prompts: "Ω" } });
  expect(readFileSync(path).equals(readFileSync(vector("layers.arrow")))).toBe(true);
  const read = JSON.parse(readFileSync(vector("read.json"), "utf8")) as {
    batches: number;
    metadata: Record<string, string>;
    fields: unknown[];
    rows: Record<string, string>[];
  };
  expect(read).toMatchObject({ batches: 1, metadata: { v4kit: "vector", prompts: "Ω" } });
  const types = { int32: "int32", float64: "double" } as Record<string, string>;
  expect(read.fields).toEqual(Object.entries(LAYERS).map(([name, type]) => [name, types[type], false]));
  const number = (text: string): number => Number(text.replace("inf", "Infinity"));
  const seen = read.rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, text]) => [name, number(text)])),
  );

  expect(seen).toEqual(rows);
});
