import { expect, test } from "vitest";
import { compareLogits } from "../../support/distributions.ts";
import { type GoldenCase, goldenCheckpoint, goldenPrompt } from "../../support/golden.ts";
import { referenceLogits } from "../../support/reference.ts";
import { FULL } from "../../support/scratch.ts";

const CASES: readonly (readonly [GoldenCase, string, 1 | 9])[] = [
  ["case-a", "p037", 1],
  ["case-s", "p041", 1],
  ["case-a", "p300", 1],
  ...(FULL
    ? ([
        ["case-a", "p700", 9],
        ["case-s", "p702", 9],
      ] as const)
    : []),
];

// One flipped rounding can move a logit by more than 1: the median and the mean are judged, not the largest.
test.each(CASES)(
  "%s/%s, qat: three times nearer to the rounded logits than to the plain ones",
  async (golden, prompt, every) => {
    const { tokens, vocab, logits: on } = goldenPrompt(golden, prompt, every === 9 ? "on_9th" : "on");
    const kept = (logits: Float32Array) => logits.filter((_, i) => Math.floor(i / vocab) % every === 0);
    const off = kept(goldenPrompt(golden, prompt).logits);
    const got = kept(await referenceLogits(goldenCheckpoint(golden), "qat", tokens));
    const differences = got.map((value, i) => Math.abs(value - on[i])).sort();
    expect(differences[differences.length >> 1]).toBeLessThan(0.15);
    const toOn = compareLogits(on, got, vocab).meanKl;
    expect(toOn).toBeLessThan(5e-3);
    expect(3 * toOn).toBeLessThan(compareLogits(off, got, vocab).meanKl);
  },
);
