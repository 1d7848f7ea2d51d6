import fc from "fast-check";
import { expect, test } from "vitest";
import { parseStrictJson } from "../../tools/lib/strict-json.ts";

const parse = (text: string): unknown => parseStrictJson(new TextEncoder().encode(text), "x.json");

test("parses whatever JSON.stringify writes", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(parse(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("finds a repeated key at any depth, however it is spelled", () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"x":[{"b":0,"c":{},"b":2}]}',
    '{"k\\u0065y":1, "key" :2}',
    '{"a":"a","b":["a"],\n"a"\t:3}',
  ])
    expect(() => parse(text)).toThrow(/appears twice/);
});

test("the same key in different objects, and strings that look like keys, are no repetition", () => {
  const text = '{"a":{"a":[{"a":"a"},{"a":":"}]},"b":"\\"a\\":1","c":["a","a"]}';
  expect(parse(text)).toEqual(JSON.parse(text));
});
