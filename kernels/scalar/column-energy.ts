/** Sums of squares per column, in float64: a column's rows are added one by one, in ascending order. */
export function columnEnergy(src: Float32Array, sums: Float64Array): void {
  const cols = sums.length;
  if (cols === 0 ? src.length > 0 : src.length % cols !== 0)
    throw new RangeError(`columnEnergy: ${src.length} values in rows of ${cols}`);
  for (let row = 0; row < src.length; row += cols)
    for (let c = 0; c < cols; c++) sums[c] += src[row + c] * src[row + c];
}
