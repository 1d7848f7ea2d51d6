import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sequenceRatio } from "../../evals/longctx/sequence-matcher.ts";
import { ROOT } from "../support/cli.ts";
import { pairs } from "./difflib/pairs.ts";

interface Ratios {
  readonly sha256OfBlocks: readonly string[];
  readonly sample: readonly {
    readonly pair: number;
    readonly a: string;
    readonly b: string;
    readonly ratio: number;
  }[];
}

const vectors = JSON.parse(readFileSync(join(ROOT, "test/vectors/difflib/ratios.json"), "utf8")) as Ratios;
const BLOCK = 1000;

describe("Python's difflib", () => {
  test("a sample of pairs is the same text and has the same ratio", () => {
    const wanted = new Map(vectors.sample.map((entry) => [entry.pair, entry]));
    expect(wanted.size).toBe(40);
    let i = 0;
    for (const { a, b } of pairs(vectors.sha256OfBlocks.length * BLOCK)) {
      const entry = wanted.get(i++);
      if (entry)
        expect({ a, b, ratio: sequenceRatio(a, b) }).toEqual({ a: entry.a, b: entry.b, ratio: entry.ratio });
    }
  });

  test("10,000 random and adversarial pairs have the same ratios to the last bit", () => {
    const hashes: string[] = [];
    let ratios: number[] = [];
    for (const { a, b } of pairs(vectors.sha256OfBlocks.length * BLOCK)) {
      ratios.push(sequenceRatio(a, b));
      if (ratios.length < BLOCK) continue;
      hashes.push(
        createHash("sha256")
          .update(new Uint8Array(Float64Array.from(ratios).buffer))
          .digest("hex"),
      );
      ratios = [];
    }
    expect(hashes).toHaveLength(10);
    expect(hashes).toEqual(vectors.sha256OfBlocks);
  });
});

describe("vectors of the specification", () => {
  const fox = "The quick brown fox jumps over the lazy dog. ".repeat(10);
  test.each([
    ["abcd", "bcde", 0.75],
    ["private Thread currentThread;", "private volatile Thread currentThread;", 0.8656716417910447],
    [fox.replaceAll("lazy", "sleepy"), fox, 0.07608695652173914],
    [`X${fox}`, fox, 0],
    ["\u{1f642}a", "a\u{1f642}", 0.5],
    ["", "", 1],
    ["", "a", 0],
  ])("%#", (a, b, ratio) => {
    expect(sequenceRatio(a, b)).toBe(ratio);
  });
});
