import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Schema, writeArrow } from "../../../reports/arrow-writer.ts";
import { scratchFolder } from "../../support/scratch.ts";

const ROWS = Array.from({ length: 12 }, (_, i) => ({
  name: ["plain", "ü", "", "深度"][i % 4],
  good: i % 3 === 0,
  signed: 5 - i,
  count: 4_000_000_000 + i,
  value: i / 8,
}));
const SCHEMA: Schema<(typeof ROWS)[number]> = {
  name: "utf8",
  good: "bool",
  signed: "int32",
  count: "uint32",
  value: "float64",
};

test("PyArrow reads what we write, and we still write the same bytes", async () => {
  const path = join(scratchFolder(), "rows.arrow");
  const vector = join(import.meta.dirname, "rows.arrow");
  await writeArrow(path, ROWS, { schema: SCHEMA, metadata: { v4kit: "vector", key: "ü" } });
  if (process.env.V4KIT_WRITE_VECTORS) copyFileSync(path, vector);
  expect(readFileSync(path)).toEqual(readFileSync(vector));
  expect(JSON.parse(readFileSync(join(import.meta.dirname, "rows.json"), "utf8"))).toEqual({
    batches: 1,
    metadata: { v4kit: "vector", key: "ü" },
    types: { name: "string", good: "bool", signed: "int32", count: "uint32", value: "double" },
    rows: ROWS,
  });
});
