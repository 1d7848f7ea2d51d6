import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createEntrySearch } from "../../kernels/scalar/codebook-search.ts";
import { codebookHeader } from "../../kernels/tables/c-source.ts";
import { type CodebookName, codebooks, evenSigns } from "../../kernels/tables/codebooks.ts";
import { createNormal, createRandom } from "./kernel-inputs.ts";

/** SHA-256 of each codebook as little-endian 16-bit codes, from the tables inside libggml-base (llama.cpp v0.5.0). */
const DIGESTS: Record<CodebookName, string> = {
  iq2_xxs: "915952ebc4af8ddba8113583ca1316fc818843f7b825bbf1a25ae1c39bf0e16d",
  iq2_xs: "f66435966ca8d64e9e4a6e3c91e64afcf9015e700ec85962f527283ebae207b9",
  iq2_s: "e6e75e121b65e8afa5c1f92b71463cfbe217b83893f438acde22fd5db06a43f7",
  iq3_xxs: "c9678803c61b2210fbd8cbbb3f965a835409cd7d88a04d086d236261bd221d11",
  iq3_s: "353274c58dd7d8dc5ee960dc8fc54ff9164eaf2b49206b841cd49415cf393f81",
};

test("sign masks have an even number of negatives", () => {
  expect([...evenSigns.subarray(0, 8)]).toEqual([0, 129, 130, 3, 132, 5, 6, 135]);
  expect(new Set(evenSigns).size).toBe(128);
});

describe.each(Object.keys(codebooks) as CodebookName[])("%s", (name) => {
  const codebook = codebooks[name];
  const { codes, entryLength, levelBits, magnitudes } = codebook;

  test("the codebook is llama.cpp's", () => {
    const bytes = Buffer.alloc(2 * codes.length);
    codes.forEach((code, i) => {
      bytes.writeUInt16LE(code, 2 * i);
    });
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(DIGESTS[name]);
  });

  test("the C header says the same", () => {
    const url = new URL(`../../kernels/c/codebook-${name.replace("_", "-")}.h`, import.meta.url);
    expect(codebookHeader(name)).toBe(readFileSync(url, "utf8"));
  });

  test("the search finds the nearest entry", () => {
    const random = createRandom(11);
    const normal = createNormal(12);
    const search = createEntrySearch(codebook);
    const w = new Float32Array(entryLength);
    const wv = new Float32Array(entryLength);
    let excess = 0;
    let total = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const a = 0.05 + random();
      const v = Float32Array.from(w, () => Math.abs(normal()) * a * magnitudes[magnitudes.length >> 1] * 1.5);
      if (trial % 3 === 0) v[0] = -v[0] / 8; // an element with the wrong sign
      for (let j = 0; j < entryLength; j++) {
        w[j] = Math.exp(normal());
        wv[j] = w[j] * v[j];
      }
      const cost = (magnitudeOf: (j: number) => number) =>
        v.reduce((sum, x, j) => sum + w[j] * (x - a * magnitudeOf(j)) ** 2, 0);
      const costs = Array.from(codes, (code) =>
        cost((j) => magnitudes[(code >> (levelBits * j)) & ((1 << levelBits) - 1)]),
      );
      const sum = (values: Float32Array) => values.reduce((s, x) => s + Math.abs(x), 0);
      const difference = search.search(a, w, wv, 0, sum(w), sum(wv));
      const index = search.indexOf[search.found];
      const ofLowest = cost(() => 1);
      // Rounding to 19 or 20 bits of the largest sum there could be.
      expect(Math.abs(ofLowest + difference - costs[index])).toBeLessThan(
        1e-4 * (ofLowest + costs[index]) + 1e-3 * a * a * sum(w),
      );
      excess += costs[index] - Math.min(...costs);
      total += Math.min(...costs);
    }
    expect(excess / total).toBeLessThan(2e-5);
  });
});
