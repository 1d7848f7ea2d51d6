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

/** The tokens of one expert, with the weights it has in them. */
interface Members {
  readonly tokens: number[];
  readonly weights: number[];
}

/** sqrt(softplus(l)) */
const score = (logit: number): number => Math.sqrt(logit > 20 ? logit : Math.log1p(Math.exp(logit)));

/** The experts of one token (model spec 3.7) and their weights: these come from the gate's scores, also where the hash table chooses. */
function route(
  { config, kernels }: Context,
  { bias, tid2eid }: MoeWeights,
  logits: Float32Array,
  token: number,
): { readonly experts: Int32Array; readonly weights: Float64Array } {
  const k = config.expertsPerToken;
  const scores = logits.map(score);
  const experts = new Int32Array(k);
  if (tid2eid) experts.set(tid2eid.subarray(token * k, (token + 1) * k));
  else kernels.topK(bias ? scores.map((s, e) => s + bias[e]) : scores, experts);
  const total = experts.reduce((sum, e) => sum + scores[e], 0) + 1e-20;
  return { experts, weights: Float64Array.from(experts, (e) => (scores[e] / total) * config.routedScale) };
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
  const members = new Map<number, Members>();
  for (const [token, id] of ids.entries()) {
    const own = logits.subarray(token * expertCount, (token + 1) * expertCount);
    const chosen = route(context, weights, own, id);
    onExperts?.(token, chosen.experts);
    for (const [i, expert] of chosen.experts.entries()) {
      const group = members.get(expert) ?? { tokens: [], weights: [] };
      group.tokens.push(token);
      group.weights.push(chosen.weights[i]);
      members.set(expert, group);
    }
  }
  const y = new Float32Array(x.length);
  const order = [...members.keys()].sort((a, b) => a - b);
  let next = order.length > 0 ? weights.expert(order[0]) : undefined;
  for (const [i, expert] of order.entries()) {
    const { tokens, weights: routing } = members.get(expert) as Members;
    const matrices = (await next) as ExpertWeights;
    // The next expert is read while this one computes.
    next = i + 1 < order.length ? weights.expert(order[i + 1]) : undefined;
    next?.catch(() => {});
    const gathered = new Float32Array(tokens.length * hiddenSize);
    for (const [row, token] of tokens.entries())
      gathered.set(x.subarray(token * hiddenSize, (token + 1) * hiddenSize), row * hiddenSize);
    const out = expertOutput(context, matrices, gathered, Float32Array.from(routing));
    for (const [row, token] of tokens.entries()) addRow(y, token, out, row, hiddenSize);
  }
  const shared = expertOutput(context, weights.shared, x, null);
  for (let i = 0; i < y.length; i++) y[i] += shared[i];
  return context.rounding.bf16(y);
}

function addRow(y: Float32Array, token: number, out: Float32Array, row: number, width: number): void {
  const [to, from] = [token * width, row * width];
  for (let k = 0; k < width; k++) y[to + k] += out[from + k];
}
