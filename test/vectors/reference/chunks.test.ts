import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { generateCheckpoint } from "../../../tools/demo/generate-checkpoint.ts";
import { createSequence, forward } from "../../../tools/reference/forward.ts";
import { chunkedLogits, largestDifference, withModel } from "../../support/reference.ts";
import { FULL, scratchFolder, seededRandom } from "../../support/scratch.ts";

const checkpoint = join(scratchFolder(), "small");
const TOKENS = Array.from({ length: 1100 }, (_, i) => (31 * i * i + 7 * i + 3) % 512);
const WINDOW = 24;

/**
 * All kinds of layers, two of each that keep compressed rows, and more rows than the indexer chooses. 32 indexer
 * heads: with few, rows tie at a score of exactly 0, and which of them is chosen is a matter of the last bit.
 */
beforeAll(() =>
  generateCheckpoint({
    folder: checkpoint,
    seed: 7,
    storage: "f32",
    dims: {
      hiddenSize: 128,
      layerCount: 5,
      hashLayerCount: 1,
      headCount: 2,
      headDim: 128,
      qLoraRank: 128,
      outputGroups: 2,
      outputLoraRank: 64,
      slidingWindow: WINDOW,
      expertCount: 6,
      expertsPerToken: 2,
      expertWidth: 128,
      indexerHeads: 32,
      indexerTopK: 12,
      vocabSize: 512,
      mtpBlocks: 0,
    },
    config: { compress_ratios: [0, 4, 128, 4, 128, 0] },
  }),
);

/** Lengths of chunks up to `longest` that make up `total`. */
function split(total: number, longest: number, random: () => number): number[] {
  const chunks: number[] = [];
  for (let left = total; left > 0; left -= chunks[chunks.length - 1])
    chunks.push(Math.min(left, 1 + Math.floor(random() * longest)));
  return chunks;
}

// The whole sequence in one call; a shorter one must give the same logits, for a token sees only those before it.
describe("in fp32 every split of a sequence gives the logits of one call, within 1e-4", () => {
  let whole: Float32Array;
  beforeAll(async () => {
    whole = await withModel(checkpoint, "fp32", (model) =>
      forward(model, createSequence(model.config), TOKENS),
    );
  });

  const expectSame = (length: number, chunks: readonly number[]): Promise<void> =>
    withModel(checkpoint, "fp32", async (model) => {
      const got = await chunkedLogits(model, TOKENS.slice(0, length), chunks);
      expect(
        largestDifference(got, whole.subarray(0, got.length)),
        `${length} tokens in ${chunks.join("+")}`,
      ).toBeLessThan(1e-4);
    });

  test("one token at a time", async () => {
    const length = FULL ? 1100 : 132;
    await expectSame(length, new Array(length).fill(1));
  });

  test("edges: of blocks, of the window, of the indexer's choice", async () => {
    for (const length of [1, 2, 3, 4, 5, WINDOW, WINDOW + 1, 51, 52, 127, 128, 129])
      await expectSame(length, [length]);
    for (const chunks of [
      [3, 1, 4, 5],
      [127, 1, 1],
      [128, 128],
      [129, 127],
      [WINDOW, 1, WINDOW - 1, 2],
      [49, 3, 1],
    ])
      await expectSame(
        chunks.reduce((a, b) => a + b, 0),
        chunks,
      );
  });

  test.each(Array.from({ length: FULL ? 24 : 4 }, (_, k) => k + 1))("seed %i", async (seed) => {
    const random = seededRandom(seed * 7919);
    for (let warmUp = 0; warmUp < 8; warmUp++) random();
    const length = 1 + Math.floor(random() * (FULL ? 1100 : 300));
    // A call reads the weights again: not more than some eighty of them.
    const longest = Math.max([3, 20, 150, 600][Math.floor(random() * 4)], Math.ceil(length / 40));
    const decoded = Math.min(length, Math.floor(random() * 12));
    await expectSame(length, [...split(length - decoded, longest, random), ...new Array(decoded).fill(1)]);
  });
});
