import { expect, test } from "vitest";
import { synthEssay } from "../../evals/longctx/essay.ts";
import { newNames, newValues, newWords } from "../../evals/longctx/keys.ts";
import { createRandom, randomOf } from "../../evals/longctx/random.ts";

test("xoshiro256** gives the outputs of its authors' code for the state 1, 2, 3, 4", () => {
  const random = createRandom(Uint32Array.of(1, 0, 2, 0, 3, 0, 4, 0));
  const outputs = [
    11520n,
    0n,
    1509978240n,
    1215971899390074240n,
    1216172134540287360n,
    607988272756665600n,
    16172922978634559625n,
    8476171486693032832n,
    10595114339597558777n,
    2904607092377533576n,
  ];
  expect(outputs.map(() => random.bits32())).toEqual(outputs.map((output) => Number(output >> 32n)));
});

test("equal keys give equal streams, others do not", () => {
  const draws = (key: string): number[] => Array.from({ length: 8 }, randomOf(key).bits32);
  expect(draws("ruler|vt|4096|0|1")).toEqual(draws("ruler|vt|4096|0|1"));
  expect(draws("ruler|vt|4096|0|1")).not.toEqual(draws("ruler|vt|4096|1|1"));
});

test("numbers below a bound are uniform", () => {
  const random = randomOf("uniform");
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) counts[random.below(7)]++;
  // Five standard deviations of a binomial count.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(465);
});

test("distinct numbers are distinct, in range and in random order", () => {
  const random = randomOf("distinct");
  expect(random.distinct(40, 40).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  const firsts = Array.from({ length: 2000 }, () => random.distinct(3, 10)[0]);
  for (let value = 0; value < 10; value++)
    expect(firsts.filter((first) => first === value).length).toBeGreaterThan(120);
  expect(() => random.distinct(5, 4)).toThrow();
});

test("values have their forms and never repeat", () => {
  const random = randomOf("values");
  const forms = {
    numbers: /^[1-9]\d{6}$/,
    words: /^[a-z]+-[a-z]+$/,
    uuids: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  } as const;
  for (const type of ["numbers", "words", "uuids"] as const) {
    const values = newValues(type, 2000, { random, taken: new Set() });
    expect(new Set(values).size).toBe(2000);
    for (const value of values) expect(value).toMatch(forms[type]);
  }
  expect(new Set(newNames(500, 5, random)).size).toBe(500);
  expect(newNames(1, 5, random)[0]).toMatch(/^[A-Z]{5}$/);
});

test("word lists of any length hold different words", () => {
  for (const count of [20, 900, 5000, 100_000]) {
    const words = newWords(count, randomOf(`words ${count}`));
    expect(new Set(words).size).toBe(count);
    expect(words.every((word) => /^[a-z]+(-[a-z]+)?$/.test(word))).toBe(true);
  }
});

test("the essay holds no digit, no magic, no open slot, and hardly a sentence twice", () => {
  const sentences = synthEssay(3).sentences(20_000);
  const odd = sentences.filter((text) => /\d|magic|[{}|]|\s\s|\n/i.test(text) || !/^[A-Z].*\.$/.test(text));
  expect(odd).toEqual([]);
  expect(new Set(sentences).size).toBeGreaterThan(19_900);
  expect(synthEssay(3).sentences(5)).toEqual(sentences.slice(0, 5));
  expect(synthEssay(4).sentences(5)).not.toEqual(sentences.slice(0, 5));
});
