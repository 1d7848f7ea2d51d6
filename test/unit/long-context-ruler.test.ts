import { beforeAll, describe, expect, test } from "vitest";
import { type Draft, textOfDraft } from "../../evals/longctx/draft.ts";
import { synthEssay } from "../../evals/longctx/essay.ts";
import { NOISE } from "../../evals/longctx/needles.ts";
import { randomOf } from "../../evals/longctx/random.ts";
import { NEEDLE_TASKS, rulerRecipes } from "../../evals/longctx/ruler.ts";

/** RULER's tasks as its paper and code describe them: counts, forms, wording. */

const recipes = rulerRecipes({ essay: synthEssay(1) });
const draftsOf = (name: string, unitCount: number, length = 4096): Draft[] => {
  const recipe = recipes.find((task) => task.name === name)!.recipe(length);
  return Array.from({ length: 20 }, (_, sample) => recipe.draft(randomOf(`${name} ${sample}`), unitCount));
};
const NEEDLE = /^ ?One of the special magic (numbers|words|uuids) for (\S+) is: (\S+)\.\n?$/;
const contextOf = (draft: Draft): string => draft.units.join("");
const countsOf = (items: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
};

test("eleven tasks need no dataset", () => {
  expect(recipes.map(({ name }) => name)).toEqual([
    ...NEEDLE_TASKS.map(({ name }) => name),
    "vt",
    "cwe",
    "fwe",
  ]);
});

describe.each(NEEDLE_TASKS)("$name", (task) => {
  const { name, haystack, keyType, valueType, values, queries } = task;
  const keys = Math.max(task.keys, queries);
  let drafts: Draft[];
  beforeAll(() => {
    drafts = draftsOf(name, 60);
  });

  test("holds the right needles, where it says they are", () => {
    for (const draft of drafts) {
      const needles = draft.needles.map((position) => NEEDLE.exec(draft.units[position])!);
      expect(needles).toHaveLength(keys * values);
      expect(new Set(needles.map(([, , key]) => key)).size).toBe(keys);
      expect(new Set(needles.map(([, , , value]) => value)).size).toBe(keys * values);
      expect(needles.every(([, type]) => type === valueType)).toBe(true);
      const all = draft.units.filter((unit) => NEEDLE.test(unit)).length;
      expect(all).toBe(haystack === "needles" ? 60 + keys * values : keys * values);
      expect(draft.units).toHaveLength(60 + keys * values);
    }
  });

  test("asks for keys that are there, and expects their values", () => {
    for (const draft of drafts) {
      expect(draft.references).toHaveLength(queries * values);
      const query = /for (.*) mentioned/.exec(draft.tail)![1];
      const asked = query.split(/, and |, /);
      expect(asked).toHaveLength(queries);
      const expected = draft.units.flatMap((unit) => {
        const [, , key, value] = NEEDLE.exec(unit) ?? [];
        return key !== undefined && asked.includes(key) ? [value] : [];
      });
      expect([...draft.references].sort()).toEqual(expected.sort());
      expect(draft.answerPrefix).toContain(query);
      if (keyType === "uuids") expect(query).toHaveLength(36);
    }
  });

  test("speaks of one or several values", () => {
    const { head, tail, answerPrefix } = drafts[0];
    const single = queries * values === 1;
    const type = single ? valueType.slice(0, -1) : valueType;
    expect(head).toBe(
      `${single ? "A" : "Some"} special magic ${type} ${single ? "is" : "are"} hidden within the following text. ` +
        `Make sure to memorize it. I will quiz you about the ${type} afterwards.\n`,
    );
    expect(tail).toMatch(new RegExp(`^What ${single ? "is" : "are all"} the special magic ${type} for `));
    expect(answerPrefix).toMatch(
      new RegExp(
        `^ The special magic ${type} for .* mentioned in the provided text ${single ? "is" : "are"}$`,
      ),
    );
  });

  test("needles lie everywhere", () => {
    const places = draftsOf(name, 400).flatMap((draft) => draft.needles.map((at) => at / draft.units.length));
    expect(Math.min(...places)).toBeLessThan(0.2);
    expect(Math.max(...places)).toBeGreaterThan(0.8);
  });
});

test("noise is the four-line noise of RULER, essays are joined by spaces", () => {
  const [noise] = draftsOf("niah_single_1", 10);
  expect(noise.units.filter((unit) => unit === `${NOISE}\n`)).toHaveLength(10);
  const [essay] = draftsOf("niah_single_2", 10);
  expect(contextOf(essay)).not.toContain("  ");
  expect(contextOf(essay).indexOf("\n")).toBe(contextOf(essay).length - 1);
});

test("vt hands one value from name to name, in order", () => {
  for (const draft of draftsOf("vt", 50)) {
    const statements = draft.needles.map((position) => draft.units[position]);
    const [first, ...others] = statements;
    const [, name, value] = /^VAR ([A-Z]{5}) = ([1-9]\d{4})\n$/.exec(first)!;
    const names = [name];
    for (const statement of others) {
      const [, next, previous] = /^VAR ([A-Z]{5}) = VAR ([A-Z]{5}) \n$/.exec(statement)!;
      expect(previous).toBe(names.at(-1));
      names.push(next);
    }
    expect(draft.references).toEqual(names);
    expect(new Set(names).size).toBe(5);
    expect(draft.tail).toContain(`the value ${value} in the text above`);
    expect(draft.answerPrefix).toContain(`5 variables are assigned the value ${value}, they are: `);
    // The worked example stands before, with names of three letters and its answer.
    expect(draft.head.match(/VAR [A-Z]{3} = /g)).toHaveLength(5);
    expect(draft.head).toMatch(/they are: ([A-Z]{3} ){4}[A-Z]{3}\n\nMemorize and track/);
  }
});

test.each([
  [8192, { common: 30, other: 3, shown: [10, 3, 40] }],
  [2048, { common: 6, other: 1, shown: [3, 1, 20] }],
] as const)("cwe at %d tokens", (length, { common, other, shown }) => {
  for (const draft of draftsOf("cwe", 60, length)) {
    const entries = [...contextOf(draft).matchAll(/(\d+)\. ([a-z-]+)/g)];
    expect(entries.map(([, number]) => Number(number))).toEqual(entries.map((_, i) => i + 1));
    const counts = countsOf(entries.map(([, , word]) => word));
    expect(counts.size).toBe(60);
    expect([...counts.values()].filter((count) => count === common)).toHaveLength(10);
    expect([...counts.values()].filter((count) => count === other)).toHaveLength(50);
    expect(draft.references.every((word) => counts.get(word) === common)).toBe(true);
    const [list, answer] = draft.head.split(
      "Answer: The top 10 words that appear most often in the list are:",
    );
    const example = countsOf([...list.matchAll(/\d+\. ([a-z-]+)/g)].map(([, word]) => word));
    expect(example.size).toBe(shown[2]);
    expect([...example.values()].filter((count) => count === shown[0])).toHaveLength(10);
    const answered = [...answer.matchAll(/\d+\. ([a-z-]+)/g)].map(([, word]) => word);
    expect(answered.every((word) => example.get(word) === shown[0])).toBe(true);
    expect(answered).toHaveLength(10);
  }
});

test("fwe follows the zeta distribution, and the three answers are unambiguous", () => {
  for (const unitCount of [74, 75, 300, 1000]) {
    for (const draft of draftsOf("fwe", unitCount)) {
      const words = contextOf(draft).split(" ");
      const counts = [...countsOf(words)].sort(([, a], [, b]) => b - a);
      expect(counts[0][0]).toBe("...");
      expect(counts.slice(1, 4).map(([word]) => word)).toEqual(draft.references);
      expect(counts[3][1]).toBeGreaterThan(counts[4]?.[1] ?? 0);
      counts.slice(0, 6).forEach(([, count], rank) => {
        expect(count).toBe(Math.floor(unitCount / (rank + 1) ** 2 / 1.6449340668));
      });
      expect(draft.references.every((word) => /^[a-z]{6}$/.test(word))).toBe(true);
    }
  }
});

test("a sample does not depend on others, nor on how it is asked for", () => {
  const recipe = recipes[0].recipe(4096);
  const text = (): string => textOfDraft(recipe.draft(randomOf("a"), 30));
  const before = text();
  recipe.draft(randomOf("b"), 100);
  expect(text()).toBe(before);
});
