import type { ModelConfig } from "../model/config.ts";
import { type AttentionState, type AttentionWeights, attention } from "./attention.ts";
import type { Context } from "./context.ts";
import { hcIn, hcOut, type MhcWeights } from "./mhc.ts";
import { type MoeWeights, moe } from "./moe.ts";
import { rmsNorm } from "./norm.ts";

export interface LayerWeights {
  readonly ratio: number;
  readonly attnMhc: MhcWeights;
  readonly attnNorm: Float32Array;
  readonly attention: AttentionWeights;
  readonly ffnMhc: MhcWeights;
  readonly ffnNorm: Float32Array;
  readonly moe: MoeWeights;
}

/** One block (model spec 3.2): streams [count, n, H] of tokens `ids` from `position` on are updated in place. */
export async function runLayer(
  context: Context,
  weights: LayerWeights,
  state: AttentionState,
  streams: Float32Array,
  ids: readonly number[],
  position: number,
): Promise<void> {
  await sublayer(context.config, streams, weights.attnMhc, weights.attnNorm, async (x) =>
    attention(context, weights.ratio, weights.attention, state, x, position),
  );
  await sublayer(context.config, streams, weights.ffnMhc, weights.ffnNorm, (x) =>
    moe(context, weights.moe, x, ids),
  );
}

async function sublayer(
  config: ModelConfig,
  streams: Float32Array,
  mhc: MhcWeights,
  norm: Float32Array,
  run: (x: Float32Array) => Promise<Float32Array>,
): Promise<void> {
  const { hiddenSize } = config;
  const width = config.mhc.streams * hiddenSize;
  const count = streams.length / width;
  const of = (values: Float32Array, token: number, size: number): Float32Array =>
    values.subarray(token * size, (token + 1) * size);
  const mixings = Array.from({ length: count }, (_, t) => hcIn(of(streams, t, width), mhc, config));
  const x = new Float32Array(count * hiddenSize);
  for (const [t, mixing] of mixings.entries()) x.set(mixing.x, t * hiddenSize);
  const y = await run(rmsNorm(x, hiddenSize, config.rmsNormEpsilon, norm));
  for (const [t, mixing] of mixings.entries()) hcOut(of(streams, t, width), of(y, t, hiddenSize), mixing);
}
