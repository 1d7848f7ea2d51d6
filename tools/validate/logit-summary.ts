import type { PositionStats } from "./logit-stats.ts";

/** A mean with its standard error over positions. */
export interface Estimate {
  readonly mean: number;
  readonly error: number;
}

/** What the logits of a run say in all. */
export interface LogitSummary {
  readonly positions: number;
  /** Positions with a token after them: perplexity and the change of p count these. */
  readonly scored: number;
  /** Positions with a NaN or infinite logit. */
  readonly nonFinite: number;
  readonly kl: Estimate & Readonly<Record<"median" | "p90" | "p95" | "p99" | "p999" | "max" | "min", number>>;
  readonly top1: Estimate;
  /** Mean share of the five likeliest tokens that agree. */
  readonly top5: number;
  readonly perplexity: { readonly reference: Estimate; readonly candidate: Estimate };
  /** ln(PPL candidate / PPL reference), its error from the paired differences. */
  readonly logRatio: Estimate;
  /** Change of the probability of the token that follows. */
  readonly deltaP: { readonly mean: number; readonly rms: number };
}

/** The statistics of `llama-perplexity --kl-divergence` over positions; those without a next token count for KL alone. */
export function summariseLogits(rows: readonly PositionStats[]): LogitSummary {
  const finite = rows.filter((row) => row.finite);
  const scored = finite.filter((row) => !Number.isNaN(row.candidateLogProb));
  const kl = Float64Array.from(finite, (row) => row.kl).sort();
  const at = (share: number): number => {
    // Linear between the two nearest ranks.
    const place = share * (kl.length - 1);
    const low = Math.floor(place);
    return kl.length === 0 ? Number.NaN : kl[low] + (place - low) * (kl[Math.ceil(place)] - kl[low]);
  };
  const deltas = scored.map((row) => Math.exp(row.candidateLogProb) - Math.exp(row.referenceLogProb));
  const perplexity = (logProbs: number[]): Estimate => {
    const { mean, error } = estimate(logProbs);
    const value = Math.exp(-mean);
    return { mean: value, error: value * error };
  };
  return {
    positions: rows.length,
    scored: scored.length,
    nonFinite: rows.length - finite.length,
    kl: {
      ...estimate(finite.map((row) => row.kl)),
      median: at(0.5),
      p90: at(0.9),
      p95: at(0.95),
      p99: at(0.99),
      p999: at(0.999),
      max: at(1),
      min: at(0),
    },
    top1: estimate(finite.map((row) => (row.referenceTop1 === row.candidateTop1 ? 1 : 0))),
    top5: estimate(finite.map((row) => row.top5Overlap / 5)).mean,
    perplexity: {
      reference: perplexity(scored.map((row) => row.referenceLogProb)),
      candidate: perplexity(scored.map((row) => row.candidateLogProb)),
    },
    logRatio: estimate(scored.map((row) => row.referenceLogProb - row.candidateLogProb)),
    deltaP: {
      mean: estimate(deltas).mean,
      rms: Math.sqrt(estimate(deltas.map((delta) => delta * delta)).mean),
    },
  };
}

function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, error: Math.sqrt(variance / n) };
}
