import { join } from "node:path";
import { expect, test } from "vitest";
import { createSequence } from "../../../tools/reference/forward.ts";
import { runLayer } from "../../../tools/reference/layer.ts";
import { loadLayer } from "../../../tools/reference/load-layer.ts";
import { goldenCheckpoint } from "../../support/golden.ts";
import { withModel } from "../../support/reference.ts";
import { scratchFolder, seededRandom } from "../../support/scratch.ts";
import { copyCheckpoint, patchTensor } from "../../support/shards.ts";

test("equal scores: the experts and the compressed rows of lower index are chosen", async () => {
  const checkpoint = copyCheckpoint(goldenCheckpoint("case-a"), join(scratchFolder(), "tied"));
  // Layer 2 chooses experts by score and rows by its indexer; without these weights it has nothing to tell them apart.
  for (const part of ["ffn.gate.weight", "ffn.gate.bias", "attn.indexer.weights_proj.weight"])
    patchTensor(checkpoint, `layers.2.${part}`, (bytes) => bytes.fill(0));
  const count = 80;
  await withModel(checkpoint, "fp32", async ({ config, loader, context }) => {
    const random = seededRandom(5);
    const streams = Float32Array.from(
      { length: count * config.mhc.streams * config.hiddenSize },
      () => random() - 0.5,
    );
    const experts: number[][] = [];
    const rows = new Map<number, number[]>();
    await runLayer(
      context,
      await loadLayer(loader, "layers.2.", 4),
      [{ state: createSequence(config).layers[2], position: 0, count }],
      streams,
      new Array(count).fill(3),
      {
        experts: (_token, ids) => experts.push([...ids]),
        rows: (token, indices) => rows.set(token, [...indices]),
      },
    );
    expect(experts).toEqual(new Array(count).fill([0, 1]));
    // The first token that sees more rows than the indexer may choose is the last of block 16.
    const first = 4 * (config.indexer.topK + 1) - 1;
    expect([...rows.keys()]).toEqual(Array.from({ length: count - first }, (_, i) => first + i));
    for (const chosen of rows.values())
      expect(chosen).toEqual(Array.from({ length: config.indexer.topK }, (_, j) => j));
  });
});
