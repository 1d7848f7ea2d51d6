/** Row-wise primitives of a forward pass. See `ForwardKernels` for shapes. */
const fround = Math.fround;

function checkRows(name: string, length: number, cols: number, others: readonly number[]): number {
  const rows = length / cols;
  if (!(cols >= 1) || !Number.isInteger(cols) || !Number.isInteger(rows) || others.some((n) => n !== length))
    throw new RangeError(`${name}: ${[length, ...others].join(", ")} values in rows of ${cols}`);
  return rows;
}

function checkLength(name: string, values: Float32Array | null, expected: number): void {
  if (values && values.length !== expected)
    throw new RangeError(`${name}: ${values.length} values, expected ${expected}`);
}

export function rmsNorm(
  x: Float32Array,
  cols: number,
  epsilon: number,
  weight: Float32Array | null,
  out: Float32Array,
): void {
  const rows = checkRows("rmsNorm", x.length, cols, [out.length]);
  checkLength("rmsNorm weight", weight, cols);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let i = row * cols; i < (row + 1) * cols; i++) sum = fround(sum + fround(x[i] * x[i]));
    const inverse = fround(1 / fround(Math.sqrt(fround(fround(sum / cols) + epsilon))));
    for (let i = 0; i < cols; i++) {
      const value = fround(x[row * cols + i] * inverse);
      out[row * cols + i] = weight ? value * weight[i] : value;
    }
  }
}

/** x = exp(x - the largest of x and the sink), in place; returns their sum, the sink's share included. */
export function exponentials(x: Float32Array, sink: number | undefined): number {
  let peak = sink ?? Number.NEGATIVE_INFINITY;
  for (let i = 0; i < x.length; i++) if (x[i] > peak) peak = x[i];
  let total = 0;
  for (let i = 0; i < x.length; i++) {
    x[i] = Math.exp(fround(x[i] - peak));
    total = fround(total + x[i]);
  }
  return sink === undefined ? total : fround(total + fround(Math.exp(fround(sink - peak))));
}

export function softmax(x: Float32Array, cols: number, sinks: Float32Array | null): void {
  const rows = checkRows("softmax", x.length, cols, []);
  checkLength("softmax sinks", sinks, rows);
  for (let row = 0; row < rows; row++) {
    const values = x.subarray(row * cols, (row + 1) * cols);
    const total = exponentials(values, sinks?.[row]);
    for (let i = 0; i < cols; i++) values[i] /= total;
  }
}

export function swiglu(
  gate: Float32Array,
  up: Float32Array,
  cols: number,
  limit: number,
  weights: Float32Array | null,
  out: Float32Array,
): void {
  const rows = checkRows("swiglu", gate.length, cols, [up.length, out.length]);
  checkLength("swiglu weights", weights, rows);
  const bound = fround(limit);
  for (let i = 0; i < gate.length; i++) {
    const g = Math.min(gate[i], bound);
    const u = Math.max(Math.min(up[i], bound), -bound);
    const silu = fround(g / fround(1 + fround(Math.exp(-g))));
    out[i] = (weights ? weights[Math.floor(i / cols)] : 1) * fround(silu * u);
  }
}

export function hadamard(x: Float32Array, cols: number): void {
  const rows = checkRows("hadamard", x.length, cols, []);
  if ((cols & (cols - 1)) !== 0) throw new RangeError(`hadamard: ${cols} is not a power of two`);
  const scale = fround(1 / Math.sqrt(cols));
  for (let row = 0; row < rows; row++) {
    const y = x.subarray(row * cols, (row + 1) * cols);
    for (let h = 1; h < cols; h *= 2)
      for (let i = 0; i < cols; i++) {
        if (i & h) continue;
        const [a, b] = [y[i], y[i + h]];
        y[i] = a + b;
        y[i + h] = a - b;
      }
    for (let i = 0; i < cols; i++) y[i] *= scale;
  }
}

export function topK(values: Float32Array, indices: Int32Array): void {
  if (indices.length > values.length)
    throw new RangeError(`topK: ${indices.length} of ${values.length} values`);
  const rank = (i: number) => (Number.isNaN(values[i]) ? Number.NEGATIVE_INFINITY : values[i]);
  const order = Array.from(values, (_, i) => i);
  order.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) > rank(a) ? 1 : -1));
  for (let i = 0; i < indices.length; i++) indices[i] = order[i];
}
