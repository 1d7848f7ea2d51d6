import type { Context } from "./context.ts";
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
  { config, kernels }: Context,
  { bias, tid2eid }: MoeWeights,
  logits: Float32Array,
  token: number,
): Route[] {
  const k = config.expertsPerToken;
  const scores = logits.map(score);
  const chosen = new Int32Array(k);
  if (tid2eid) chosen.set(tid2eid.subarray(token * k, (token + 1) * k));
  else kernels.topK(bias ? scores.map((s, e) => s + bias[e]) : scores, chosen);
  const total = chosen.reduce((sum, e) => sum + scores[e], 0) + 1e-20;
  return Array.from(chosen, (expert) => ({ expert, weight: (scores[expert] / total) * config.routedScale }));
}

/** G = min(w1 x, limit), U = clamp(w3 x, ±limit), h = weight silu(G) U, y = w2 h. */
function expertOutput(
  { config, rounding: { bf16, activation }, kernels }: Context,
  { w1, w2, w3 }: ExpertWeights,
  x: Float32Array,
  weights: Float32Array | null,
): Float32Array {
  const count = x.length / config.hiddenSize;
  const x8 = activation(x, config.hiddenSize);
  const gate = bf16(w1.apply(x8, count));
  const up = bf16(w3.apply(x8, count));
  kernels.swiglu(gate, up, w1.out, config.swigluLimit, weights, gate);
  return bf16(w2.apply(activation(bf16(gate), w2.in), count));
}

/** The mixture of experts for tokens `ids`; x is [count, H], already normed. Experts are added in ascending order. */
export async function moe(
  context: Context,
  weights: MoeWeights,
  x: Float32Array,
  ids: readonly number[],
  onExperts?: (token: number, experts: Int32Array) => void,
): Promise<Float32Array> {
  const { hiddenSize, expertCount } = context.config;
  const logits = weights.gate.apply(x, ids.length);
  const members = new Map<number, { token: number; weight: number }[]>();
  for (const [token, id] of ids.entries()) {
    const own = logits.subarray(token * expertCount, (token + 1) * expertCount);
    const routes = route(context, weights, own, id);
    onExperts?.(
      token,
      Int32Array.from(routes, ({ expert }) => expert),
    );
    for (const { expert, weight } of routes)
      members.set(expert, [...(members.get(expert) ?? []), { token, weight }]);
  }
  const y = new Float32Array(x.length);
  for (const expert of [...members.keys()].sort((a, b) => a - b)) {
    const tokens = members.get(expert) as { token: number; weight: number }[];
    const gathered = new Float32Array(tokens.length * hiddenSize);
    for (const [i, { token }] of tokens.entries())
      gathered.set(x.subarray(token * hiddenSize, (token + 1) * hiddenSize), i * hiddenSize);
    const routing = Float32Array.from(tokens, ({ weight }) => weight);
    const out = expertOutput(context, await weights.expert(expert), gathered, routing);
    for (const [i, { token }] of tokens.entries())
      for (let k = 0; k < hiddenSize; k++) y[token * hiddenSize + k] += out[i * hiddenSize + k];
  }
  const shared = expertOutput(context, weights.shared, x, null);
  for (let i = 0; i < y.length; i++) y[i] += shared[i];
  return context.rounding.bf16(y);
}
