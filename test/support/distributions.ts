/** How far next-token distributions are from a reference's, both given as logits `[positions, vocab]`. */
export interface DistributionError {
  readonly meanKl: number;
  readonly top1Agreement: number;
}

export function compareLogits(
  reference: Float32Array,
  candidate: Float32Array,
  vocab: number,
): DistributionError {
  if (reference.length !== candidate.length)
    throw new Error(`${reference.length} logits against ${candidate.length}`);
  const positions = reference.length / vocab;
  let kl = 0;
  let agreed = 0;
  for (let t = 0; t < positions; t++) {
    const p = logSoftmax(reference.subarray(t * vocab, (t + 1) * vocab));
    const q = logSoftmax(candidate.subarray(t * vocab, (t + 1) * vocab));
    for (let i = 0; i < vocab; i++) kl += Math.exp(p[i]) * (p[i] - q[i]);
    if (argmax(p) === argmax(q)) agreed++;
  }
  return { meanKl: kl / positions, top1Agreement: agreed / positions };
}

function logSoftmax(logits: Float32Array): Float64Array {
  const peak = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, value) => total + Math.exp(value - peak), 0);
  return Float64Array.from(logits, (value) => value - peak - Math.log(sum));
}

const argmax = (row: Float64Array): number =>
  row.reduce((best, value, i) => (value > row[best] ? i : best), 0);
