import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../tools/checkpoint/open.ts";
import { DEMO_CHECKPOINT } from "../../tools/demo/embedded.ts";
import {
  createSequence,
  forward,
  type ReferenceModel,
  referenceModel,
} from "../../tools/reference/forward.ts";
import { generate } from "../../tools/reference/generate.ts";
import { openModelKernels } from "../../tools/reference/model-kernels.ts";
import { cachedLoader } from "../../tools/reference/weight-cache.ts";
import { openTokenizer } from "../../tools/tokenizer/tokenizer.ts";
import { FULL } from "../support/scratch.ts";
import { expectedOfTinyV4, heldoutText, type Needle, singleNeedles } from "../support/tiny-v4.ts";

/** What an independent implementation measured on the trained checkpoint, with fake quantisation off and on. */
const { heldout, sample, retrieval } = expectedOfTinyV4();
const NUMERICS = { off: "fp32", on: "qat" } as const;
type Quantisation = keyof typeof NUMERICS;

const source = await openCheckpoint(DEMO_CHECKPOINT);
afterAll(() => source.close());
const kernels = openModelKernels(2);
const model = (quantisation: Quantisation): ReferenceModel => {
  const opened = referenceModel(source, kernels, NUMERICS[quantisation]);
  return { ...opened, loader: cachedLoader(opened.loader, 64 * 2 ** 20) };
};
const { vocabSize, bosId } = source.config;

/** Per position: the log-probability of the next token (of all but the last), and the likeliest token with its own. */
async function logProbs(quantisation: Quantisation, ids: readonly number[]) {
  const logits = await forward(model(quantisation), createSequence(source.config), ids);
  const next: number[] = [];
  const top1: number[] = [];
  const top1LogProb: number[] = [];
  for (let t = 0; t < ids.length; t++) {
    const row = logits.subarray(t * vocabSize, (t + 1) * vocabSize);
    const best = row.reduce((most, value, id) => (value > row[most] ? id : most), 0);
    const normaliser = row[best] + Math.log(row.reduce((sum, value) => sum + Math.exp(value - row[best]), 0));
    top1.push(best);
    top1LogProb.push(row[best] - normaliser);
    if (t + 1 < ids.length) next.push(row[ids[t + 1]] - normaliser);
  }
  return { next, top1, top1LogProb };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const differences = (a: readonly number[], b: readonly number[]): number[] => {
  expect(a.length).toBe(b.length);
  return a.map((value, i) => Math.abs(value - b[i]));
};
const agreement = (a: readonly number[], b: readonly number[]): number =>
  mean(a.map((id, i) => (id === b[i] ? 1 : 0)));

describe.each([
  // The expectation is printed with six digits.
  ["off", 1e-5],
  // A value on the border of two FP8 or FP4 codes may honestly fall to the other side; off is up to 3e-3 away.
  ["on", 2e-4],
] as const)("perplexity of held-out text, fake quantisation %s", (quantisation, tolerance) => {
  test(FULL ? "all 23 chunks" : "the first two chunks", async () => {
    const { ppl, chunk_nll } = heldout[`fake_quant_${quantisation}`];
    const ids = (await openTokenizer(source)).encode(heldoutText());
    const CHUNK = 1023;
    expect(chunk_nll.length).toBe(Math.floor(ids.length / CHUNK));
    const nll: number[] = [];
    for (const [i, expected] of chunk_nll.slice(0, FULL ? undefined : 2).entries()) {
      const { next } = await logProbs(quantisation, [bosId, ...ids.slice(i * CHUNK, (i + 1) * CHUNK)]);
      nll.push(-mean(next));
      expect(Math.abs(nll[i] - expected), `chunk ${i}: ${nll[i]}, expected ${expected}`).toBeLessThan(
        tolerance,
      );
    }
    if (FULL) expect(Math.abs(Math.exp(mean(nll)) / ppl - 1)).toBeLessThan(1e-3);
    console.log(`perplexity of ${nll.length} chunks, ${quantisation}: ${Math.exp(mean(nll)).toFixed(4)}`);
  }, 1_200_000);
});

describe("log-probabilities of a sample of 600 tokens", () => {
  const { fake_quant_off: off, fake_quant_on: on, ids } = sample;

  test("off: every one within 1e-3, and the likeliest token of every position", async () => {
    expect(ids.length).toBe(600);
    const got = await logProbs("off", ids);
    expect(Math.max(...differences(got.next, off.next_logprob))).toBeLessThan(1e-3);
    expect(Math.max(...differences(got.top1LogProb, off.top1_logprob))).toBeLessThan(1e-3);
    expect(got.top1).toEqual(off.top1);
  });

  /*
   * Rounding to FP8 and FP4 is discontinuous: where two sound implementations differ in the last bit of a value on the
   * border of two codes, they differ by a whole code from there on. So single positions prove little, and the measure is
   * the mean difference: that of off and on, 1.4e-2, is what the rounding does in all, and a tenth of it or more would be
   * a rounding left out or done in the wrong place.
   */
  test("on: in distribution, and far nearer to on than off is", async () => {
    const got = await logProbs("on", ids);
    const effect = mean(differences(off.next_logprob, on.next_logprob));
    const distance = mean(differences(got.next, on.next_logprob));
    console.log(
      `mean |Δ log-probability|: ours to on ${distance.toExponential(2)}, off to on ${effect.toExponential(2)}`,
    );
    expect(distance).toBeLessThan(1e-3);
    expect(distance).toBeLessThan(effect / 10);
    expect(mean(differences(got.next, off.next_logprob))).toBeGreaterThan(effect / 2);
    expect(agreement(got.top1, on.top1)).toBeGreaterThanOrEqual(0.995);
    expect(agreement(off.top1, on.top1)).toBeLessThan(0.995);
  });
});

describe("needles found by greedy decoding, as expected", () => {
  const needles = singleNeedles();
  const ofLength = (length: number): Needle[] => needles.filter((needle) => needle.length === length);

  test("the prompts are those of the measurement", () => {
    expect([512, 1024, 2048].map((length) => ofLength(length).length)).toEqual([30, 30, 26]);
    for (const { id } of needles) expect(retrieval.per_prompt).toHaveProperty(id);
  });

  async function check({ id, prompt_ids, answer_ids }: Needle, quantisation: Quantisation): Promise<void> {
    const [exact, logProb] = retrieval.per_prompt[id][quantisation];
    const options = { temperature: 0, topP: 1, seed: 0, maxTokens: answer_ids.length, stopIds: [] };
    const got: number[] = [];
    let sum = 0;
    for await (const choice of generate(model(quantisation), prompt_ids, options)) {
      got.push(choice.id);
      sum += choice.logProb;
    }
    if (!exact) return expect(got, id).not.toEqual(answer_ids);
    expect(got, id).toEqual(answer_ids);
    expect(Math.abs(sum - logProb), `${id}: log-probability ${sum}, expected ${logProb}`).toBeLessThan(
      quantisation === "off" ? 1e-3 : 5e-3,
    );
  }

  // From 1,027 tokens on the indexer leaves rows out: 2048-172 is 1.6e-2 off where its queries and keys are not rounded.
  const NORMAL = { off: ["512-050", "512-051", "2048-150"], on: ["512-052", "2048-172"] };
  const chosen = (["off", "on"] as const).flatMap((quantisation) =>
    needles
      .filter(
        ({ id }, i) => NORMAL[quantisation].includes(id) || (FULL && (quantisation === "off" || i % 8 === 0)),
      )
      .map((needle) => [needle.id, quantisation, needle] as const),
  );
  test.each(chosen)("%s, %s", async (_, quantisation, needle) => check(needle, quantisation));
});
