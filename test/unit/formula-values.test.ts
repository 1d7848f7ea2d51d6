import { expect, test } from "vitest";
import { formulaValues } from "../../tools/demo/formula-values.ts";

/** Values stated with the published formula, for a model of hidden size 256. */
function values(name: string, amplitude: number, center: number, first: number, count: number): number[] {
  const into = new Float32Array(count);
  formulaValues(name, 0, { amplitude, center }, first, into);
  return [...into];
}

test.each([
  ["embed.weight", 2 / 16, 0, 0, [-0.12063253, 0.00437999, 0.11121234, 0.08240791]],
  ["layers.1.attn.compressor.ape", 0.5, 0, 0, [-0.2703901, -0.11695808, 0.48388052]],
  ["norm.weight", 0.2, 1, 0, [0.986589, 0.9051791, 0.8107659]],
  ["layers.0.hc_attn_scale", 0.3, 1, 0, [1.0514337, 1.1157789, 1.0538454]],
  ["layers.5.ffn.experts.7.w2.weight", 2 / Math.sqrt(128), 0, 256 * 128 - 2, [-0.05095014, 0.13325778]],
] as const)("%s", (name, amplitude, center, first, expected) => {
  for (const [i, value] of values(name, amplitude, center, first, expected.length).entries())
    expect(value).toBeCloseTo(expected[i], 6);
});

test("elements beyond 2^32 do not repeat the first ones", () => {
  expect(values("w", 1, 0, 2 ** 32, 4)).not.toEqual(values("w", 1, 0, 0, 4));
});
