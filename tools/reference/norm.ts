/** RMS(x, w) = w x rsqrt(mean(x^2) + eps) for every row of `width` values, in place; without w a plain norm. */
export function rmsNorm(
  x: Float32Array,
  width: number,
  epsilon: number,
  weight?: Float32Array,
): Float32Array {
  for (let at = 0; at < x.length; at += width) {
    let square = 0;
    for (let i = 0; i < width; i++) square += x[at + i] * x[at + i];
    const scale = 1 / Math.sqrt(square / width + epsilon);
    for (let i = 0; i < width; i++) x[at + i] *= scale * (weight ? weight[i] : 1);
  }
  return x;
}
