import { dataError } from "../lib/errors.ts";

/** How the next token is chosen from logits. */
export interface Sampling {
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  /** The likeliest tokens whose probabilities first reach this sum take part. */
  readonly topP: number;
  readonly seed: number;
}

export interface Choice {
  readonly id: number;
  /** Natural logarithm of the token's probability under the model, before temperature and topP. */
  readonly logProb: number;
}

/** A chooser with its own stream of random numbers: the same seed chooses the same tokens from the same logits. */
export function createSampler({ temperature, topP, seed }: Sampling): (logits: Float32Array) => Choice {
  const random = randomNumbers(seed);
  return (logits) => {
    let best = 0;
    for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
    let total = 0;
    for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i] - logits[best]);
    if (!(total >= 1))
      throw dataError({
        what: "the model's logits are not finite: its weights are damaged, or not what its metadata say",
        next: "run v4kit validate, which names the layer",
      });
    const id = temperature === 0 ? best : draw(logits, logits[best], temperature, topP, random());
    return { id, logProb: logits[id] - logits[best] - Math.log(total) };
  };
}

function draw(logits: Float32Array, peak: number, temperature: number, topP: number, u: number): number {
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - peak) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // By probability, equal ones by id: where the cut falls does not depend on the sort.
  const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b);
  let kept = 0;
  let count = 0;
  while (count < order.length && kept < topP * total) kept += weights[order[count++]];
  let left = u * kept;
  for (let i = 0; i < count; i++) {
    left -= weights[order[i]];
    if (left < 0) return order[i];
  }
  return order[Math.max(0, count - 1)];
}

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
