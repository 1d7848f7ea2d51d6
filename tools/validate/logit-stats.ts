import type { PositionRow } from "../../reports/schemas/validation.ts";

/**
 * Statistics of logits that pass in tiles of the vocabulary, per position: those of `llama-perplexity --kl-divergence`.
 * Sums of exponentials are kept in f64 relative to a running maximum.
 */

export interface LogitTileInput {
  /** The tile's first position, and how many. */
  readonly first: number;
  readonly positions: number;
  /** Its columns of the vocabulary: every position must see them in ascending order. */
  readonly from: number;
  readonly width: number;
  /** [positions, width] */
  readonly reference: Float32Array | null;
  readonly candidate: Float32Array;
}

/** What the logits say of one position. Without a reference its fields repeat the candidate's. */
export type PositionStats = Omit<PositionRow, "sequence" | "position" | "token" | "next">;

export interface LogitAccumulator {
  add(tile: LogitTileInput): void;
  row(position: number): PositionStats;
}

const TOP = 5;

/** A distribution over the vocabulary, as far as it has passed. */
interface Side {
  readonly peak: Float64Array;
  /** sum exp(logit - peak) */
  readonly total: Float64Array;
  readonly target: Float64Array;
  readonly topIds: Int32Array;
  readonly topValues: Float64Array;
}

const createSide = (count: number): Side => ({
  peak: new Float64Array(count).fill(Number.NEGATIVE_INFINITY),
  total: new Float64Array(count),
  target: new Float64Array(count).fill(Number.NaN),
  topIds: new Int32Array(count * TOP).fill(-1),
  topValues: new Float64Array(count * TOP).fill(Number.NEGATIVE_INFINITY),
});

/** Statistics for `targets.length` positions; a target is the token that follows, or -1. */
export function createLogitStats(targets: Int32Array, paired: boolean): LogitAccumulator {
  const count = targets.length;
  const candidate = createSide(count);
  const reference = paired ? createSide(count) : candidate;
  // sum exp(r - peak) (r - c) and sum exp(r - peak) (r - peak), over the reference's peak.
  const gap = new Float64Array(count);
  const energy = new Float64Array(count);
  const bad = new Uint8Array(count);

  /** Takes a row of logits into a side; returns the factor by which older sums shrink. */
  const take = (side: Side, t: number, row: Float32Array, from: number): number => {
    let peak = side.peak[t];
    for (let i = 0; i < row.length; i++) if (row[i] > peak) peak = row[i];
    const factor = side.peak[t] === Number.NEGATIVE_INFINITY ? 0 : Math.exp(side.peak[t] - peak);
    side.peak[t] = peak;
    const target = targets[t] - from;
    if (target >= 0 && target < row.length) side.target[t] = row[target];
    const last = t * TOP + TOP - 1;
    for (let i = 0; i < row.length; i++) if (row[i] > side.topValues[last]) insert(side, t, from + i, row[i]);
    return factor;
  };

  return {
    add({ first, positions, from, width, reference: r, candidate: c }) {
      for (let i = 0; i < positions; i++) {
        const t = first + i;
        // Before the candidate's total grows: without a reference the two are one.
        const older = reference.total[t];
        const q = c.subarray(i * width, (i + 1) * width);
        const shrink = take(candidate, t, q, from);
        let sum = 0;
        const peak = candidate.peak[t];
        if (peak === Number.NEGATIVE_INFINITY) {
          if (q.some(Number.isNaN)) bad[t] = 1;
        } else for (let k = 0; k < width; k++) sum += Math.exp(q[k] - peak);
        candidate.total[t] = candidate.total[t] * shrink + sum;
        const p = r ? r.subarray(i * width, (i + 1) * width) : q;
        const factor = r ? take(reference, t, p, from) : shrink;
        const top = reference.peak[t];
        let own = 0;
        let moment = 0;
        let difference = 0;
        if (top !== Number.NEGATIVE_INFINITY)
          for (let k = 0; k < width; k++) {
            const x = p[k] - top;
            const e = Math.exp(x);
            own += e;
            if (e !== 0) {
              moment += e * x;
              difference += e * (p[k] - q[k]);
            }
          }
        else if (p.some(Number.isNaN)) bad[t] = 1;
        // Older terms were relative to the older peak: exp(x - d) (x - d), with d = log(1 / factor).
        const shifted = factor === 0 ? 0 : Math.log(factor) * older;
        energy[t] = factor * (energy[t] + shifted) + moment;
        gap[t] = factor * gap[t] + difference;
        if (r) reference.total[t] = reference.total[t] * factor + own;
        if (!(peak < Number.POSITIVE_INFINITY && top < Number.POSITIVE_INFINITY)) bad[t] = 1;
      }
    },
    row(t) {
      const logSum = (side: Side): number => side.peak[t] + Math.log(side.total[t]);
      const [p, q] = [logSum(reference), logSum(candidate)];
      const tops = (side: Side): Int32Array => side.topIds.subarray(t * TOP, (t + 1) * TOP);
      const theirs = tops(candidate);
      const kl = gap[t] / reference.total[t] - p + q;
      return {
        kl,
        referenceLogProb: reference.target[t] - p,
        candidateLogProb: candidate.target[t] - q,
        referenceTop1: tops(reference)[0],
        candidateTop1: theirs[0],
        top5Overlap: tops(reference).reduce(
          (shared, id) => shared + (id >= 0 && theirs.includes(id) ? 1 : 0),
          0,
        ),
        entropy: Math.log(reference.total[t]) - energy[t] / reference.total[t],
        finite: bad[t] === 0 && !Number.isNaN(kl),
      };
    },
  };
}

/** Keeps a position's likeliest tokens by logit descending; of equal ones the earlier stays ahead. */
function insert({ topIds, topValues }: Side, t: number, id: number, value: number): void {
  let at = t * TOP + TOP - 1;
  for (; at > t * TOP && value > topValues[at - 1]; at--) {
    topValues[at] = topValues[at - 1];
    topIds[at] = topIds[at - 1];
  }
  topValues[at] = value;
  topIds[at] = id;
}
