import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { generateCheckpoint } from "../../../tools/demo/generate-checkpoint.ts";
import { parseConfig } from "../../../tools/model/config.ts";
import { createSequence, forward } from "../../../tools/reference/forward.ts";
import { forwardMtp } from "../../../tools/reference/mtp.ts";
import { ropeFrequencies } from "../../../tools/reference/rope.ts";
import {
  FORMULA_LOGITS,
  FORMULA_LOGITS_QAT,
  FORMULA_MTP,
  FORMULA_STREAMS,
  FORMULA_TOKENS,
  formulaModel,
} from "../../fixtures/formula-model.ts";
import { FLASH } from "../../fixtures/release-configs.ts";
import { argmax, referenceLogits, withModel } from "../../support/reference.ts";
import { scratchFolder } from "../../support/scratch.ts";

const folder = scratchFolder();

describe("the formula model, on which three implementations agree", () => {
  const checkpoint = join(folder, "formula");
  beforeAll(() => generateCheckpoint(formulaModel(checkpoint)));

  const expectRows = (logits: Float32Array, rows: typeof FORMULA_LOGITS, tolerance: number): void => {
    for (const { t, argmax: expectedArgmax, logits: expected } of rows) {
      const row = logits.subarray(512 * t, 512 * (t + 1));
      for (const [i, value] of expected.entries()) expect(Math.abs(row[i] - value)).toBeLessThan(tolerance);
      expect(argmax(row)).toBe(expectedArgmax);
    }
  };

  test("fp32 logits, the streams after every block, and the MTP block", async () => {
    await withModel(checkpoint, "fp32", async (model) => {
      let last: Float32Array = new Float32Array(0);
      const onStreams = (layer: number, streams: Float32Array): void => {
        const { first, meanMagnitude } = FORMULA_STREAMS[layer];
        const at = 299 * 4 * 256;
        for (const [i, value] of first.entries())
          expect(Math.abs(streams[at + i] - value)).toBeLessThan(5e-4);
        expect(streams.reduce((sum, value) => sum + Math.abs(value), 0) / streams.length).toBeCloseTo(
          meanMagnitude,
          4,
        );
        last = streams;
      };
      const logits = await forward(model, createSequence(model.config), FORMULA_TOKENS, { onStreams });
      expectRows(logits, FORMULA_LOGITS, 5e-4);
      expect(logits.reduce((sum, value) => sum + value, 0)).toBeCloseTo(285.6313, 1);
      expectRows(await forwardMtp(model, last, FORMULA_TOKENS.slice(1)), FORMULA_MTP, 5e-4);
    });
  });

  test("qat logits, save where one rounding falls the other way", async () => {
    const logits = await referenceLogits(checkpoint, "qat", FORMULA_TOKENS);
    // The numerics are discontinuous: after some two hundred tokens one rounding (or one tie of the indexer) differs
    // from the published run, and which depends on the order in which a kernel set sums.
    const early = (row: { readonly t: number }): boolean => row.t < 200;
    expectRows(logits, FORMULA_LOGITS_QAT.filter(early), 2e-2);
    expectRows(
      logits,
      FORMULA_LOGITS_QAT.filter((row) => !early(row)),
      0.5,
    );
  });
});

test("YaRN frequencies of Flash", () => {
  const f = ropeFrequencies(parseConfig(FLASH, "config.json"), 4);
  const expected = {
    0: 1,
    15: 0.003635538584,
    16: 0.002265625,
    20: 0.00029697777826,
    24: 1.953125e-5,
    25: 5.372312671e-6,
    31: 5.680529037e-7,
  };
  for (const [j, value] of Object.entries(expected))
    expect(Math.abs(f[Number(j)] / value - 1)).toBeLessThan(1e-6);
  expect(ropeFrequencies(parseConfig(FLASH, "config.json"), 0)[31]).toBeCloseTo(10000 ** (-62 / 64), 9);
});
