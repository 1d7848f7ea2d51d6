import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DTYPES, traitsOf } from "../../tools/formats/dtypes.ts";
import { type GgufTensor, layoutGguf } from "../../tools/formats/gguf/layout.ts";
import { readGgufHeader } from "../../tools/formats/gguf/reader.ts";
import type { GgufValue } from "../../tools/formats/gguf/values.ts";
import { openForReading } from "../../tools/lib/files.ts";
import { scratchFolder } from "../support/scratch.ts";

const folder = scratchFolder();

async function readBack(bytes: Uint8Array) {
  const path = join(folder, "x.gguf");
  writeFileSync(path, bytes);
  const file = await openForReading(path);
  return readGgufHeader(file).finally(() => file.close());
}

const f32 = fc.float({ noNaN: true });
const value: fc.Arbitrary<GgufValue> = fc.oneof(
  fc.string({ unit: "grapheme" }).map((text): GgufValue => ({ type: "string", value: text })),
  fc.boolean().map((flag): GgufValue => ({ type: "bool", value: flag })),
  fc.nat(255).map((n): GgufValue => ({ type: "u8", value: n })),
  fc.integer({ min: -128, max: 127 }).map((n): GgufValue => ({ type: "i8", value: n })),
  fc.nat(65535).map((n): GgufValue => ({ type: "u16", value: n })),
  fc.integer({ min: -32768, max: 32767 }).map((n): GgufValue => ({ type: "i16", value: n })),
  fc.nat(2 ** 32 - 1).map((n): GgufValue => ({ type: "u32", value: n })),
  fc.integer().map((n): GgufValue => ({ type: "i32", value: n })),
  f32.map((n): GgufValue => ({ type: "f32", value: n })),
  fc.double({ noNaN: true }).map((n): GgufValue => ({ type: "f64", value: n })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((n): GgufValue => ({ type: "u64", value: n })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n): GgufValue => ({ type: "i64", value: n })),
  fc
    .array(fc.string({ unit: "grapheme" }))
    .map((list): GgufValue => ({ type: "array", of: "string", value: list })),
  fc.array(fc.integer()).map((list): GgufValue => ({ type: "array", of: "i32", value: list })),
  fc.array(f32).map((list): GgufValue => ({ type: "array", of: "f32", value: list })),
);
const formats = [...DTYPES.values()].filter(({ ggmlType }) => ggmlType !== undefined);
const tensor: fc.Arbitrary<GgufTensor> = fc
  .record({
    name: fc.string({ minLength: 1, maxLength: 15 }),
    format: fc.constantFrom(...formats),
    blocks: fc.integer({ min: 1, max: 3 }),
    rest: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
  })
  .map(({ name, format, blocks, rest }) => ({
    name,
    dtype: format.name,
    ne: [blocks * format.blockLength, ...rest],
  }));

test("what layout writes, the reader reads back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.string({ minLength: 1 }), value).filter((keys) => !("general.alignment" in keys)),
      fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 }),
      async (keys, tensors) => {
        const metadata = new Map(Object.entries(keys));
        const { prefix, offsets, byteLength } = layoutGguf(metadata, tensors);
        const bytes = new Uint8Array(byteLength);
        bytes.set(prefix);
        const header = await readBack(bytes);
        expect(header.metadata).toEqual(metadata);
        expect(
          header.entries.map(({ name, dtype, ne, byteOffset }) => ({ name, dtype, ne, byteOffset })),
        ).toEqual(tensors.map((entry, i) => ({ ...entry, byteOffset: offsets[i] })));
      },
    ),
    { numRuns: 60 },
  );
});

test("no damaged header is read past its end or taken for good", async () => {
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: "deepseek4" }],
    ["list", { type: "array", of: "string", value: ["a", "bc"] }],
  ]);
  const { prefix, byteLength } = layoutGguf(metadata, [{ name: "t", dtype: "q8_0", ne: [64, 2] }]);
  const good = new Uint8Array(byteLength);
  good.set(prefix);
  for (let length = 0; length < prefix.length - 32; length++)
    await expect(readBack(good.subarray(0, length))).rejects.toThrow(/GGUF|ends/);
  await fc.assert(
    fc.asyncProperty(fc.nat(prefix.length - 1), fc.nat(255), async (at, byte) => {
      const bytes = good.slice();
      bytes[at] = byte;
      // Either refused with one of our messages, or another valid header: never a crash.
      await readBack(bytes).catch((error: Error) => expect(error.name).toBe("V4Error"));
    }),
    { numRuns: 300 },
  );
});

test("rules of the loader: version, alignment, contiguity, duplicate names, block-sized rows", async () => {
  const build = (tensors: readonly GgufTensor[]): Uint8Array => {
    const { prefix, byteLength } = layoutGguf(new Map(), tensors);
    const bytes = new Uint8Array(byteLength);
    bytes.set(prefix);
    return bytes;
  };
  const two: GgufTensor[] = [
    { name: "a", dtype: "f32", ne: [8] },
    { name: "b", dtype: "f32", ne: [8] },
  ];
  const version = build(two);
  version[4] = 2;
  await expect(readBack(version)).rejects.toThrow(/version/);
  await expect(readBack(build([two[0], { ...two[1], name: "a" }]))).rejects.toThrow(/twice/);
  await expect(readBack(build([{ name: "a", dtype: "q4_K", ne: [128] }]))).rejects.toThrow(/block length/);
  const moved = build(two);
  moved[moved.length - 64 - 32 + 0] = 0;
  const offsetAt = 24 + (8 + 1 + 4 + 8 + 4 + 8) + (8 + 1 + 4 + 8 + 4);
  moved[offsetAt] = 64;
  await expect(readBack(moved)).rejects.toThrow(/not where the one before it ends/);
});

test("block sizes of the table are those of the formats", () => {
  const bitsPerWeight = {
    q8_0: 8.5,
    q4_0: 4.5,
    mxfp4: 4.25,
    nvfp4: 4.5,
    q2_K: 2.625,
    q3_K: 3.4375,
    q4_K: 4.5,
    q5_K: 5.5,
    q6_K: 6.5625,
    iq2_xxs: 2.0625,
    iq2_xs: 2.3125,
    iq2_s: 2.5625,
    iq3_xxs: 3.0625,
    iq3_s: 3.4375,
    iq4_xs: 4.25,
    iq4_nl: 4.5,
  } as const;
  for (const [name, bits] of Object.entries(bitsPerWeight)) {
    const { blockBytes, blockLength } = traitsOf(name as keyof typeof bitsPerWeight);
    expect((8 * blockBytes) / blockLength).toBe(bits);
  }
});
