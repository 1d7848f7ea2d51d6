import type { Context } from "./context.ts";
import { type Rotation, rotate } from "./rope.ts";

/**
 * The lightning indexer's choice for one token (model spec 3.6): score[j] = sum_h u[h] max(0, q[h] . k[j]) over the visible
 * rows k [rows, dim], and the topK best of them, by score descending, then by index ascending. The queries q [heads, dim]
 * are not normed; they are rotated here, and rounded as the rows were.
 */
export function selectRows(
  { config, rounding, kernels }: Context,
  rows: Float32Array,
  queries: Float32Array,
  headWeights: Float32Array,
  rotation: Rotation,
): Int32Array {
  const { headCount, headDim, topK } = config.indexer;
  const { bf16 } = rounding;
  rotate(queries, headDim, rotation);
  bf16(queries);
  for (let h = 0; h < headCount; h++) rounding.indexRow(queries.subarray(h * headDim, (h + 1) * headDim));
  const indexScale = headDim ** -0.5 * headCount ** -0.5;
  const u = bf16(headWeights.map((value) => value * indexScale));
  const scores = new Float32Array(rows.length / headDim);
  kernels.indexScores(queries, u, rows, headDim, scores);
  bf16(scores);
  const chosen = new Int32Array(topK);
  kernels.topK(scores, chosen);
  return chosen;
}
