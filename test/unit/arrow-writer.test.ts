import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { expect, test } from "vitest";
import { type Schema, writeArrow } from "../../reports/arrow-writer.ts";
import { LAYERS, POSITIONS, TENSORS } from "../../reports/schemas/validation.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();
const metadata = { v4kit: "1", note: "Ω" };

/** A row of any schema, different in every column and row. */
function rowOf(schema: Readonly<Record<string, string>>, i: number): Record<string, unknown> {
  const special = [Number.NaN, Number.POSITIVE_INFINITY, -0, 1e-300];
  const values: Record<string, (column: number) => unknown> = {
    utf8: (column) => `tensor ${i} ${column} ü`,
    bool: (column) => (i + column) % 3 === 0,
    int32: (column) => (i % 2 ? -1 : 1) * (i * 31 + column),
    uint32: (column) => 4_000_000_000 + i + column,
    float64: (column) => (i % 7 < special.length ? special[i % 7] : (i + column) / 3),
  };
  return Object.fromEntries(Object.entries(schema).map(([name, type], c) => [name, values[type](c)]));
}

function* rowsOf(schema: Readonly<Record<string, string>>, count: number) {
  for (let i = 0; i < count; i++) yield rowOf(schema, i);
}

type AnyRow = Record<string, unknown>;

test.each([
  ["tensors", TENSORS],
  ["layers", LAYERS],
  ["positions", POSITIONS],
] as const)(
  "%s: what is written is read back, over several batches, and equal rows give equal bytes",
  async (name, typed) => {
    const schema = typed as unknown as Schema<AnyRow>;
    const plain = typed as unknown as Record<string, string>;
    const count = 2 * 16_384 + 5;
    const path = join(folder, `${name}.arrow`);
    await writeArrow(path, rowsOf(plain, count), { schema, metadata });
    const table = tableFromIPC(readFileSync(path));
    expect([table.numRows, table.batches.length]).toEqual([count, 3]);
    expect(Object.fromEntries(table.schema.metadata)).toEqual(metadata);
    expect(table.schema.fields.map((field) => [field.name, field.nullable])).toEqual(
      Object.keys(plain).map((column) => [column, false]),
    );
    for (const i of [0, 1, 2, 3, 4, 16_383, 16_384, 32_768, count - 1])
      expect(table.get(i)?.toJSON()).toEqual(rowOf(plain, i));
    const again = join(folder, `${name}-again.arrow`);
    await writeArrow(again, rowsOf(plain, count), { schema, metadata });
    expect(readFileSync(again).equals(readFileSync(path))).toBe(true);
  },
);

test("no rows make a table of no rows", async () => {
  const path = join(folder, "empty.arrow");
  await writeArrow(path, [], { schema: LAYERS, metadata });
  const table = tableFromIPC(readFileSync(path));
  expect(table.numRows).toBe(0);
  expect(table.schema.fields.map(({ name }) => name)).toEqual(Object.keys(LAYERS));
});

test("rows that fail leave nothing behind, and an older table as it was", async () => {
  const path = join(folder, "failing", "table.arrow");
  const failing = function* () {
    yield* rowsOf(LAYERS as unknown as Record<string, string>, 20_000);
    throw new Error("no more rows");
  };
  const options = { schema: LAYERS as unknown as Schema<AnyRow>, metadata };
  await expect(writeArrow(path, failing(), options)).rejects.toThrow("no more rows");
  expect(existsSync(path)).toBe(false);
  await writeArrow(path, [], options);
  const before = readFileSync(path);
  await expect(writeArrow(path, failing(), options)).rejects.toThrow("no more rows");
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(join(path, ".."))).toEqual(["table.arrow"]);
});
