import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { compareReaders } from "../../../tools/demo/foreign-reader.ts";
import { type GgufHeader, readGgufHeader } from "../../../tools/formats/gguf/reader.ts";
import type { GgufValue } from "../../../tools/formats/gguf/values.ts";
import { openForReading } from "../../../tools/lib/files.ts";
import { cli } from "../../support/cli.ts";
import { goldenCheckpoint } from "../../support/golden.ts";
import { scratchFolder } from "../../support/scratch.ts";

interface Vector {
  readonly keys: Record<string, { types: string[]; value?: unknown; length?: number; sha256?: string }>;
  readonly tensors: { name: string; type: string; ne: number[]; offset: number; sha256: string }[];
}

const folder = scratchFolder();
const sha256 = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

beforeAll(() => {
  expect(
    cli(["quantize", goldenCheckpoint("case-a"), "--bits", "4", "--out", join(folder, "case-a-4.gguf")]).code,
  ).toBe(0);
});

const TYPE_NAMES: Record<string, string> = {
  u8: "UINT8",
  i8: "INT8",
  u16: "UINT16",
  i16: "INT16",
  u32: "UINT32",
  i32: "INT32",
  u64: "UINT64",
  i64: "INT64",
  f32: "FLOAT32",
  f64: "FLOAT64",
  bool: "BOOL",
  string: "STRING",
};

function describe(value: GgufValue): Vector["keys"][string] {
  if (value.type !== "array") return { types: [TYPE_NAMES[value.type]], value: value.value };
  // Python prints whole floats as 10.0, so arrays of floats are hashed in that spelling.
  const text =
    value.of === "f32"
      ? `[${value.value.map((item) => (Number.isInteger(item) ? `${item}.0` : String(item))).join(",")}]`
      : JSON.stringify(value.value);
  return { types: ["ARRAY", TYPE_NAMES[value.of]], length: value.value.length, sha256: sha256(text) };
}

test.each(["case-a-4", "mtp-case-a-4"])(
  "%s.gguf: the Python package gguf reads every key and every tensor as we do",
  async (name) => {
    const vector = JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), "utf8")) as Vector;
    const path = join(folder, `${name}.gguf`);
    const file = await openForReading(path);
    const header: GgufHeader = await readGgufHeader(file).finally(() => file.close());
    const ours = Object.fromEntries([...header.metadata].map(([key, value]) => [key, describe(value)]));
    // The version changes with every release; everything else is fixed by the checkpoint and the recipe.
    for (const keys of [ours, vector.keys]) delete keys["v4kit.version"];
    expect(ours).toEqual(vector.keys);
    const shift = header.entries[0].byteOffset - vector.tensors[0].offset;
    expect(Math.abs(shift)).toBeLessThanOrEqual(32);
    const bytes = readFileSync(path);
    expect(
      header.entries.map(({ name: tensor, dtype, ne, byteOffset, byteLength }) => ({
        name: tensor,
        type: dtype.toUpperCase(),
        ne,
        offset: byteOffset - shift,
        sha256: sha256(bytes.subarray(byteOffset, byteOffset + byteLength)),
      })),
    ).toEqual(vector.tensors);
  },
);

test.each(["case-a-4", "mtp-case-a-4"])(
  "%s.gguf: @huggingface/gguf agrees on every key and every tensor",
  async (name) => {
    const { keys, tensors, disagreements } = await compareReaders(join(folder, `${name}.gguf`));
    expect(disagreements).toEqual([]);
    expect(keys).toBeGreaterThan(50);
    expect(tensors).toBeGreaterThan(20);
  },
);
