import fc from "fast-check";
import { expect, test } from "vitest";
import { DTYPES, dtypeOfSafetensors } from "../../tools/formats/dtypes.ts";
import { parseSafetensorsHeader } from "../../tools/formats/safetensors/header.ts";
import { layoutSafetensors } from "../../tools/formats/safetensors/layout.ts";

const names = [...DTYPES.values()]
  .filter(({ safetensors }) => safetensors !== undefined)
  .map(({ name }) => name);
const tensor = fc.record({
  name: fc.string().filter((name) => name !== "__metadata__"),
  dtype: fc.constantFrom(...names),
  shape: fc.array(fc.nat(7), { maxLength: 4 }),
});

test("what layout writes, parse reads back", () => {
  fc.assert(
    fc.property(fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 12 }), (tensors) => {
      const { prefix, offsets, byteLength } = layoutSafetensors(tensors);
      expect(prefix.length % 8).toBe(0);
      const { entries, metadata } = parseSafetensorsHeader(prefix.subarray(8), byteLength, "x");
      expect(metadata).toEqual({ format: "pt" });
      // JSON.stringify moves integer-like keys to the front; the place of a tensor is what its entry says.
      const byName = new Map(entries.map((entry) => [entry.name, entry]));
      for (const [i, { name, dtype, shape }] of tensors.entries())
        expect(byName.get(name)).toMatchObject({ dtype, shape, byteOffset: offsets[i] });
    }),
  );
});

test("any change of one byte range is refused", () => {
  fc.assert(
    fc.property(
      fc.nat(2),
      fc.constantFrom(0, 1),
      fc.integer({ min: -16, max: 16 }).filter((step) => step !== 0),
      (which, end, step) => {
        const { prefix, byteLength } = layoutSafetensors(
          ["a", "b", "c"].map((name) => ({ name, dtype: "f32" as const, shape: [4] })),
        );
        const header = JSON.parse(new TextDecoder().decode(prefix.subarray(8))) as Record<
          string,
          { data_offsets: number[] }
        >;
        header["abc"[which]].data_offsets[end] += step;
        expect(() =>
          parseSafetensorsHeader(new TextEncoder().encode(JSON.stringify(header)), byteLength, "x"),
        ).toThrow();
      },
    ),
  );
});

test("dtype names are the format's own", () => {
  for (const name of ["BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E8M0", "I8", "U8", "I32", "I64"])
    expect(dtypeOfSafetensors(name)).toBeDefined();
});
