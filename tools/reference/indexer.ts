import type { RowBuffer } from "./row-buffer.ts";

/** Scores of compressed rows for one query: sum_h u[h] max(0, q[h] . k[j]) for j < visible (model spec 3.6). */
export function indexScores(
  queries: Float32Array,
  u: Float32Array,
  keys: RowBuffer,
  visible: number,
): Float32Array {
  const dim = keys.width;
  return Float32Array.from({ length: visible }, (_, j) => {
    const key = keys.row(j);
    let score = 0;
    for (let h = 0; h < u.length; h++) {
      let dot = 0;
      for (let k = 0; k < dim; k++) dot += queries[h * dim + k] * key[k];
      if (dot > 0) score += u[h] * dot;
    }
    return score;
  });
}

/** Indices of the `count` largest scores, by score descending and then by lower index. */
export function topK(scores: Float32Array, count: number): number[] {
  const order = Array.from(scores, (_, index) => index).sort((a, b) => scores[b] - scores[a] || a - b);
  return order.slice(0, count);
}
