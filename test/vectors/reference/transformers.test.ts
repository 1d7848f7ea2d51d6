import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generateCheckpoint } from "../../../tools/demo/generate-checkpoint.ts";
import { ROOT } from "../../support/cli.ts";
import { readNpy } from "../../support/npy.ts";
import { largestDifference, referenceLogits } from "../../support/reference.ts";
import { scratchFolder } from "../../support/scratch.ts";

const FOLDER = join(ROOT, "test/vectors/reference/transformers");
const json = (name: string) => JSON.parse(readFileSync(join(FOLDER, name), "utf8"));

/**
 * A model unlike all others here: HCA first, three streams, three output groups, experts clamped at 0.5, another
 * number of everything. `make-vectors.py` fills it with the same weights by itself.
 */
test("fp32 logits of transformers' DeepseekV4ForCausalLM, within 1e-4", async () => {
  const config = json("config.json");
  const checkpoint = join(scratchFolder(), "model");
  await generateCheckpoint({
    folder: checkpoint,
    seed: 0,
    storage: "f32",
    dims: {
      hiddenSize: config.hidden_size,
      layerCount: config.num_hidden_layers,
      hashLayerCount: config.num_hash_layers,
      headCount: config.num_attention_heads,
      headDim: config.head_dim,
      qLoraRank: config.q_lora_rank,
      outputGroups: config.o_groups,
      outputLoraRank: config.o_lora_rank,
      slidingWindow: config.sliding_window,
      expertCount: config.n_routed_experts,
      expertsPerToken: config.num_experts_per_tok,
      expertWidth: config.moe_intermediate_size,
      indexerHeads: config.index_n_heads,
      indexerTopK: config.index_topk,
      vocabSize: config.vocab_size,
      mtpBlocks: 0,
    },
    config,
  });
  const tokens = Array.from({ length: 400 }, (_, i) => (17 * i * i + 5 * i + 11) % config.vocab_size);
  const { shape, data } = readNpy(join(FOLDER, "logits.npy"));
  const positions: number[] = json("positions.json");
  expect(shape).toEqual([positions.length, config.vocab_size]);
  const logits = await referenceLogits(checkpoint, "fp32", tokens);
  for (const [i, t] of positions.entries()) {
    const row = (values: Float32Array, at: number) =>
      values.subarray(at * config.vocab_size, (at + 1) * config.vocab_size);
    expect(largestDifference(row(logits, t), row(data, i)), `position ${t}`).toBeLessThan(1e-4);
  }
});
