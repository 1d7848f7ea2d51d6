import type { AttendOptions } from "../forward.ts";
import { exponentials } from "./forward.ts";

const fround = Math.fround;

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum = fround(sum + fround(a[i] * b[i]));
  return sum;
}

/** See `ForwardKernels.attend`. */
export function attend({ q, headDim, keys, index, scale, sinks, out }: AttendOptions): void {
  const heads = q.length / headDim;
  const rows = keys.length / headDim;
  const whole =
    Number.isInteger(headDim) && headDim >= 1 && Number.isInteger(heads) && Number.isInteger(rows);
  if (!whole || out.length !== q.length || (sinks ? sinks.length !== heads : index.length === 0))
    throw new RangeError(`attend: q ${q.length}, keys ${keys.length}, rows of ${headDim}, out ${out.length}`);
  const rowsOf = Array.from(index, (row) => {
    if (row < 0 || row >= rows) throw new RangeError(`attend: index ${row}, but there are ${rows} key rows`);
    return keys.subarray(row * headDim, (row + 1) * headDim);
  });
  const p = new Float32Array(index.length);
  for (let head = 0; head < heads; head++) {
    const query = q.slice(head * headDim, (head + 1) * headDim);
    for (let j = 0; j < p.length; j++) p[j] = dot(query, rowsOf[j]) * fround(scale);
    const total = exponentials(p, sinks?.[head]);
    for (let d = 0; d < headDim; d++) {
      let sum = 0;
      for (let j = 0; j < p.length; j++) sum = fround(sum + fround(p[j] * rowsOf[j][d]));
      out[head * headDim + d] = sum / total;
    }
  }
}

/** See `ForwardKernels.indexScores`. */
export function indexScores(
  q: Float32Array,
  weights: Float32Array,
  keys: Float32Array,
  dim: number,
  out: Float32Array,
): void {
  const heads = q.length / dim;
  if (!(dim >= 1) || heads !== weights.length || keys.length !== out.length * dim)
    throw new RangeError(`indexScores: q ${q.length}, weights ${weights.length}, keys ${keys.length}`);
  for (let j = 0; j < out.length; j++) {
    const key = keys.subarray(j * dim, (j + 1) * dim);
    let score = 0;
    for (let h = 0; h < heads; h++) {
      const clipped = Math.max(0, dot(q.subarray(h * dim, (h + 1) * dim), key));
      score = fround(score + fround(weights[h] * clipped));
    }
    out[j] = score;
  }
}
