/** Seeded rows and importances on which encoders are compared: the shapes that weights have. */

/** xorshift32: uniform in (0, 1). */
function randomSource(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
}

function normalSource(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
}

export const distributions = ["normal", "laplace", "t4", "outliers", "fp4"] as const;
export type Distribution = (typeof distributions)[number];

const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

/** A normal row with varying spread, rounded to FP4 with a power-of-two scale per 32 as in the official checkpoint. */
function fp4Row(row: Float32Array, random: () => number): void {
  const normal = normalSource(random);
  for (let g = 0; g < row.length; g += 32) {
    const spread = 0.02 * Math.exp(0.3 * normal());
    const group = Array.from({ length: 32 }, () => spread * normal());
    const scale = 2 ** (Math.floor(Math.log2(Math.max(...group.map(Math.abs)))) - 2);
    group.forEach((value, i) => {
      const target = Math.abs(value) / scale;
      const nearest = E2M1.reduce((best, c) => (Math.abs(c - target) < Math.abs(best - target) ? c : best));
      row[g + i] = Math.sign(value) * nearest * scale;
    });
  }
}

export function makeRows(distribution: Distribution, rows: number, length: number, seed = 7): Float32Array {
  const random = randomSource(seed * 2654435761);
  const normal = normalSource(random);
  const values = new Float32Array(rows * length);
  if (distribution === "fp4") {
    for (let r = 0; r < rows; r++) fp4Row(values.subarray(r * length, (r + 1) * length), random);
    return values;
  }
  const draw = {
    normal,
    laplace: () => Math.log(random()) * (random() < 0.5 ? -1 : 1),
    t4: () => normal() / Math.sqrt(-(Math.log(random()) + Math.log(random())) / 2),
    outliers: () => normal() * (random() < 0.003 ? 20 : 1),
  }[distribution];
  for (let i = 0; i < values.length; i++) values[i] = 0.02 * draw();
  return values;
}

export const importances = ["none", "flat", "chi2", "lognormal"] as const;
export type Importance = (typeof importances)[number];

export function makeImportance(kind: Importance, length: number): Float32Array | undefined {
  if (kind === "none") return undefined;
  const normal = normalSource(randomSource(31));
  const draw = { flat: () => 1, chi2: () => normal() ** 2 + 1e-3, lognormal: () => Math.exp(normal()) }[kind];
  return Float32Array.from({ length }, draw);
}
