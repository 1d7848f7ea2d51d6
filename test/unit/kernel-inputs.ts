/** Seeded inputs for the kernel tests: rows that look like weights, and rows that look like trouble. */

/** Uniform in [0, 1), the same on every machine (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function createNormal(seed: number): () => number {
  const random = createRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Student t with four degrees of freedom: heavy tails, as real weights have. */
function createHeavy(seed: number): () => number {
  const normal = createNormal(seed);
  return () => normal() / Math.sqrt((normal() ** 2 + normal() ** 2 + normal() ** 2 + normal() ** 2) / 4);
}

export interface KernelInput {
  readonly name: string;
  readonly rows: number;
  readonly rowLength: number;
  readonly values: Float32Array;
  readonly importance?: Float32Array;
}

const FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

/** Rows of plausible weights, a few distributions in turn, half of them with importance. */
export function plausibleInputs(weights: number, rowLength = 1024, seed = 1): KernelInput[] {
  const rows = Math.max(1, Math.round(weights / rowLength / 6));
  const normal = createNormal(seed);
  const heavy = createHeavy(seed + 1);
  const fill = (value: (i: number) => number) =>
    Float32Array.from({ length: rows * rowLength }, (_, i) => value(i));
  const importance = Float32Array.from({ length: rowLength }, () => normal() ** 2 + 1e-3);
  const skewed = Float32Array.from({ length: rowLength }, () => 40 * Math.exp(2 * normal()));
  const sources = {
    normal: fill(() => 0.02 * normal()),
    "heavy tails": fill(() => 0.02 * heavy()),
    "fp4 grid": fill(
      (i) => 2 ** ((i >> 5) % 5) * 0.004 * FP4[Math.floor(Math.abs(heavy()) * 2) & 7] * Math.sign(normal()),
    ),
  };
  return Object.entries(sources).flatMap(([name, values], k) => [
    { name, rows, rowLength, values },
    { name: `${name}, importance`, rows, rowLength, values, importance: k % 2 ? skewed : importance },
  ]);
}

/** Blocks that searches stumble over. One row of five super-blocks each, with several kinds of importance. */
export function adversarialInputs(seed = 7): KernelInput[] {
  const rowLength = 1280;
  const normal = createNormal(seed);
  const random = createRandom(seed + 1);
  const base = Float32Array.from({ length: rowLength }, normal);
  const values: Record<string, (x: number, i: number) => number> = {
    normal: (x) => x,
    zeros: () => 0,
    "negative zeros": () => -0,
    "positive constant": () => 0.37,
    "negative constant": () => -0.37,
    "one outlier": (x, i) => (i % 256 === 77 ? 1000 : x * 0.01),
    "one value in a zero block": (_, i) => (i % 256 === 130 ? -3 : 0),
    subnormals: (x) => x * 1e-40,
    tiny: (x) => x * 1e-30,
    "around the zero threshold": (x) => x * 2 ** -27,
    "smallest f16 scales": (x) => x * 2 ** -22,
    "tiny sub-blocks": (x, i) => (i % 96 < 48 ? x * 1e-19 : x),
    huge: (x) => Math.max(-65504, Math.min(65504, x * 30000)),
    "zero groups": (x, i) => ((i >> 5) % 3 ? 0 : x),
    positive: (x) => Math.abs(x) + 1,
    "two values": (x) => (x > 0 ? 1 : -0.5),
    "multiples of a half": (x) => Math.round(2 * x) / 2,
    alternating: (_, i) => (i & 1 ? 1.5 : -1.5),
    "geometric spread": (x, i) => x * 2 ** -(i % 40),
  };
  const importances: Record<string, ((i: number) => number) | undefined> = {
    none: undefined,
    random: () => random() + 0.01,
    "half zero": (i) => ((i >> 5) & 1 ? 0 : random()),
    "one hot": (i) => (i % 32 === 5 ? 1 : 0),
    "all zero": () => 0,
    tiny: () => random() * 1e-30,
    huge: () => random() * 1e30,
  };
  return Object.entries(values).flatMap(([name, value]) =>
    Object.entries(importances).map(([kind, importance]) => ({
      name: `${name}, importance ${kind}`,
      rows: 1,
      rowLength,
      values: base.map(value),
      ...(importance && { importance: Float32Array.from({ length: rowLength }, (_, i) => importance(i)) }),
    })),
  );
}
