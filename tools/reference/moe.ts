import type { ModelConfig } from "../model/config.ts";
import { topK } from "./indexer.ts";
import type { Linear } from "./linear.ts";

export interface ExpertWeights {
  readonly w1: Linear;
  readonly w2: Linear;
  readonly w3: Linear;
}

export interface MoeWeights {
  readonly gate: Linear;
  /** Score-routed layers: added for the choice only. */
  readonly bias?: Float32Array;
  /** Hash-routed layers: expert ids [vocab, K]. */
  readonly tid2eid?: Int32Array;
  readonly shared: ExpertWeights;
  /** Loads a routed expert; only the experts that tokens reach are asked for. */
  readonly expert: (id: number) => Promise<ExpertWeights>;
}

/** Which experts a token goes to, with their weights. */
interface Route {
  readonly expert: number;
  readonly weight: number;
}

/** sqrt(softplus(l)) */
const score = (logit: number): number => Math.sqrt(logit > 20 ? logit : Math.log1p(Math.exp(logit)));

/** The routes of one token (model spec 3.7): weights come from the gate's scores, also where the hash table chooses. */
function route(
  logits: Float32Array,
  { bias, tid2eid }: MoeWeights,
  token: number,
  config: ModelConfig,
): Route[] {
  const k = config.expertsPerToken;
  const scores = logits.map(score);
  const chosen = tid2eid
    ? Array.from(tid2eid.subarray(token * k, (token + 1) * k))
    : topK(
        scores.map((s, e) => s + (bias?.[e] ?? 0)),
        k,
      );
  const total = chosen.reduce((sum, e) => sum + scores[e], 0) + 1e-20;
  return chosen.map((expert) => ({ expert, weight: (scores[expert] / total) * config.routedScale }));
}

/** G = min(w1 x, limit), U = clamp(w3 x, ±limit), h = weight silu(G) U, y = w2 h. */
function expertOutput(
  { w1, w2, w3 }: ExpertWeights,
  x: Float32Array,
  weights: readonly number[],
  limit: number,
): Float32Array {
  const count = weights.length;
  const gate = w1.apply(x, count);
  const up = w3.apply(x, count);
  const width = w1.out;
  for (let i = 0; i < gate.length; i++) {
    const g = Math.min(gate[i], limit);
    const u = Math.max(-limit, Math.min(limit, up[i]));
    gate[i] = (weights[Math.floor(i / width)] * g * u) / (1 + Math.exp(-g));
  }
  return w2.apply(gate, count);
}

/** The mixture of experts for tokens `ids`; x is [count, H], already normed. Experts are added in ascending order. */
export async function moe(
  config: ModelConfig,
  weights: MoeWeights,
  x: Float32Array,
  ids: readonly number[],
): Promise<Float32Array> {
  const { hiddenSize, expertCount, swigluLimit } = config;
  const logits = weights.gate.apply(x, ids.length);
  const members = new Map<number, { token: number; weight: number }[]>();
  for (const [token, id] of ids.entries())
    for (const { expert, weight } of route(
      logits.subarray(token * expertCount, (token + 1) * expertCount),
      weights,
      id,
      config,
    ))
      members.set(expert, [...(members.get(expert) ?? []), { token, weight }]);
  const y = new Float32Array(x.length);
  for (const expert of [...members.keys()].sort((a, b) => a - b)) {
    const tokens = members.get(expert) as { token: number; weight: number }[];
    const gathered = new Float32Array(tokens.length * hiddenSize);
    for (const [i, { token }] of tokens.entries())
      gathered.set(x.subarray(token * hiddenSize, (token + 1) * hiddenSize), i * hiddenSize);
    const out = expertOutput(
      await weights.expert(expert),
      gathered,
      tokens.map(({ weight }) => weight),
      swigluLimit,
    );
    for (const [i, { token }] of tokens.entries())
      for (let k = 0; k < hiddenSize; k++) y[token * hiddenSize + k] += out[i * hiddenSize + k];
  }
  const shared = expertOutput(
    weights.shared,
    x,
    ids.map(() => 1),
    swigluLimit,
  );
  for (let i = 0; i < y.length; i++) y[i] += shared[i];
  return y;
}
