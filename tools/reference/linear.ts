/** A matrix [out, in] ready to be applied to rows of activations: y = x W^T. */
export interface Linear {
  readonly out: number;
  readonly in: number;
  /** [count, in] to [count, out]; with `rows` only these rows of the matrix take part. */
  apply(
    x: Float32Array,
    count: number,
    rows?: { readonly first: number; readonly count: number },
  ): Float32Array;
}

/** A matrix held as f32. */
export function denseLinear(values: Float32Array, out: number): Linear {
  const width = values.length / out;
  return {
    out,
    in: width,
    apply(x, count, { first, count: rows } = { first: 0, count: out }) {
      const y = new Float32Array(count * rows);
      for (let t = 0; t < count; t++)
        for (let o = 0; o < rows; o++) {
          let sum = 0;
          for (let i = 0, at = (first + o) * width; i < width; i++) sum += x[t * width + i] * values[at + i];
          y[t * rows + o] = sum;
        }
      return y;
    },
  };
}
