import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { expect, test } from "vitest";
import { type Schema, writeArrow } from "../../reports/arrow-writer.ts";
import { scratchFolder } from "../support/scratch.ts";

interface Row {
  readonly name: string;
  readonly good: boolean;
  readonly signed: number;
  readonly count: number;
  readonly value: number;
}

const SCHEMA: Schema<Row> = {
  name: "utf8",
  good: "bool",
  signed: "int32",
  count: "uint32",
  value: "float64",
};
const folder = scratchFolder();

function* rows(count: number): Generator<Row> {
  for (let i = 0; i < count; i++)
    yield {
      name: `row ${i} ü`,
      good: i % 3 === 0,
      signed: 5 - i,
      count: 4_000_000_000 + i,
      value: i === 5 ? Number.POSITIVE_INFINITY : i === 6 ? Number.NaN : i / 7,
    };
}

test("rows of any number come back, batch after batch, with the metadata", async () => {
  for (const count of [0, 1, 16_384, 40_000]) {
    const path = join(folder, `${count}.arrow`);
    await writeArrow(path, rows(count), { schema: SCHEMA, metadata: { v4kit: "x", key: "ü" } });
    const table = tableFromIPC(readFileSync(path));
    expect(table.numRows).toBe(count);
    expect(table.batches.length).toBe(Math.max(table.batches.length > 0 ? 1 : 0, Math.ceil(count / 16_384)));
    expect(Object.fromEntries(table.schema.metadata)).toEqual({ v4kit: "x", key: "ü" });
    let i = 0;
    for (const expected of rows(count)) expect(table.get(i++)?.toJSON()).toEqual(expected);
  }
}, 60_000);

test("equal rows give equal bytes", async () => {
  for (const name of ["a", "b"])
    await writeArrow(join(folder, `${name}.arrow`), rows(500), { schema: SCHEMA, metadata: { k: "v" } });
  expect(readFileSync(join(folder, "a.arrow"))).toEqual(readFileSync(join(folder, "b.arrow")));
});

test("a source of rows that fails leaves nothing behind", async () => {
  const before = readdirSync(folder).sort();
  async function* failing(): AsyncGenerator<Row> {
    yield* rows(20_000);
    throw new Error("the source broke");
  }
  const writing = writeArrow(join(folder, "never.arrow"), failing(), { schema: SCHEMA, metadata: {} });
  await expect(writing).rejects.toThrow("the source broke");
  expect(readdirSync(folder).sort()).toEqual(before);
});
