import { describe, expect, test } from "vitest";
import { createSequence, forward } from "../../../tools/reference/forward.ts";
import { runLayer } from "../../../tools/reference/layer.ts";
import { loadLayer } from "../../../tools/reference/load-layer.ts";
import {
  fragilePositions,
  goldenCheckpoint,
  goldenChoices,
  goldenGreedy,
  goldenPrompt,
  goldenStreams,
} from "../../support/golden.ts";
import { argmax, largestDifference, referenceLogits, withModel } from "../../support/reference.ts";
import { FULL } from "../../support/scratch.ts";

/** The largest difference of every position's logits. */
function perPosition(got: Float32Array, expected: Float32Array, vocab: number): number[] {
  return Array.from({ length: expected.length / vocab }, (_, t) =>
    largestDifference(got.subarray(t * vocab, (t + 1) * vocab), expected.subarray(t * vocab)),
  );
}

describe("case-a in fp32, against float64 by an independent implementation", () => {
  test.each(["p037", "p300", ...(FULL ? ["p700"] : [])])(
    "%s: logits, save where a choice among experts or rows is a matter of luck",
    async (prompt) => {
      const { tokens, vocab, logits } = goldenPrompt("case-a", prompt);
      const fragile = new Set(fragilePositions(prompt));
      const got = await referenceLogits(goldenCheckpoint("case-a"), "fp32", tokens);
      const sound = perPosition(got, logits, vocab).filter((_, t) => !fragile.has(t));
      expect(sound.length).toBeGreaterThan(0.98 * tokens.length);
      expect(sound.filter((difference) => difference > 5e-4).length).toBeLessThanOrEqual(0.01 * sound.length);
      expect(Math.max(...sound)).toBeLessThan(5e-3);
    },
  );

  test.each(["p037", ...(FULL ? ["p700"] : [])])("%s: the streams after every layer", async (prompt) => {
    const { positions, shape, data } = goldenStreams(prompt);
    const [layers, , streams, hidden] = shape;
    const width = streams * hidden;
    const { tokens } = goldenPrompt("case-a", prompt);
    const seen: number[] = [];
    const onStreams = (layer: number, x: Float32Array): void => {
      const expected = data.subarray(
        layer * positions.length * width,
        (layer + 1) * positions.length * width,
      );
      const rms = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0) / expected.length);
      for (const [i, t] of positions.entries())
        expect(
          largestDifference(
            x.subarray(t * width, (t + 1) * width),
            expected.subarray(i * width, (i + 1) * width),
          ) / rms,
          `layer ${layer}, position ${t}`,
        ).toBeLessThan(1e-4);
      seen.push(layer);
    };
    await referenceLogits(goldenCheckpoint("case-a"), "fp32", tokens, { onStreams });
    expect(seen).toEqual(Array.from({ length: layers }, (_, k) => k));
  });

  test("p037: the experts of every token and layer; no more rows than the indexer may choose, so all are seen", async () => {
    const { tokens } = goldenPrompt("case-a", "p037");
    const golden = goldenChoices();
    for (const rows of Object.values(golden.rows))
      expect(rows).toEqual(
        tokens.map((_, t) => Array.from({ length: Math.floor((t + 1) / 4) }, (_, j) => j)),
      );
    await withModel(goldenCheckpoint("case-a"), "fp32", async ({ config, loader, context }) => {
      const state = createSequence(config);
      const streams = new Float32Array(tokens.length * config.mhc.streams * config.hiddenSize);
      const table = await loader.vector("embed.weight");
      for (let i = 0; i < streams.length; i++)
        streams[i] =
          table[
            tokens[Math.floor(i / (config.mhc.streams * config.hiddenSize))] * config.hiddenSize +
              (i % config.hiddenSize)
          ];
      for (let layer = 0; layer < config.layerCount; layer++) {
        const weights = await loadLayer(loader, `layers.${layer}.`, config.compressRatios[layer]);
        const segment = { state: state.layers[layer], position: 0, count: tokens.length };
        const chosen: number[][] = [];
        await runLayer(context, weights, [segment], streams, tokens, {
          experts: (token, ids) => {
            chosen[token] = [...ids];
          },
          rows: (token) => expect.unreachable(`layer ${layer}, token ${token}: rows were chosen`),
        });
        const sorted = (lists: readonly (readonly number[])[]) => lists.map((ids) => [...ids].sort());
        expect(sorted(chosen), `layer ${layer}`).toEqual(sorted(golden.experts[layer]));
      }
    });
  });

  test("160 greedy tokens, one at a time on the state of the prompt", async () => {
    const { tokens } = goldenPrompt("case-a", "p037");
    const expected = goldenGreedy();
    expect(expected.length).toBe(160);
    await withModel(goldenCheckpoint("case-a"), "fp32", async (model) => {
      const { vocabSize } = model.config;
      const state = createSequence(model.config);
      const prompt = await forward(model, state, tokens);
      const got = [argmax(prompt.subarray(-vocabSize))];
      while (got.length < expected.length)
        got.push(argmax(await forward(model, state, [got[got.length - 1]])));
      expect(got).toEqual(expected);
    });
  });
});

test.each(["p041", ...(FULL ? ["p702"] : [])])("case-s/%s, fp32: every logit within 5e-4", async (prompt) => {
  const { tokens, logits } = goldenPrompt("case-s", prompt);
  expect(
    largestDifference(await referenceLogits(goldenCheckpoint("case-s"), "fp32", tokens), logits),
  ).toBeLessThan(5e-4);
});
