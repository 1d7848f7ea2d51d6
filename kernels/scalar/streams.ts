/** Hyper-connections over residual streams [tokens, n, hidden]; every sum runs over the streams in order. */
const fround = Math.fround;

/** Streams that a token may have. */
const MAX_STREAMS = 16;

function shape(streams: Float32Array, n: number, rows: Float32Array, weights: number, perToken: number) {
  const hidden = (rows.length * n) / streams.length === 1 ? rows.length / (weights / perToken) : Number.NaN;
  if (!(n >= 1 && n <= MAX_STREAMS) || !Number.isInteger(hidden) || hidden < 1)
    throw new RangeError(`streams: ${streams.length} values in ${n} streams, ${rows.length} in rows`);
  return { hidden, tokens: rows.length / hidden };
}

export function streamsIn(streams: Float32Array, n: number, pre: Float32Array, out: Float32Array): void {
  const { hidden, tokens } = shape(streams, n, out, pre.length, n);
  for (let t = 0; t < tokens; t++)
    for (let k = 0; k < hidden; k++) {
      let sum = fround(pre[t * n] * streams[t * n * hidden + k]);
      for (let i = 1; i < n; i++)
        sum = fround(sum + fround(pre[t * n + i] * streams[(t * n + i) * hidden + k]));
      out[t * hidden + k] = sum;
    }
}

export function streamsOut(
  streams: Float32Array,
  y: Float32Array,
  post: Float32Array,
  mix: Float32Array,
): void {
  const n = mix.length / post.length;
  const { hidden, tokens } = shape(streams, n, y, post.length, n);
  const old = new Float32Array(n);
  for (let t = 0; t < tokens; t++)
    for (let k = 0; k < hidden; k++) {
      for (let i = 0; i < n; i++) old[i] = streams[(t * n + i) * hidden + k];
      for (let j = 0; j < n; j++) {
        let sum = fround(post[t * n + j] * y[t * hidden + k]);
        for (let i = 0; i < n; i++) sum = fround(sum + fround(mix[(t * n + i) * n + j] * old[i]));
        streams[(t * n + j) * hidden + k] = sum;
      }
    }
}
