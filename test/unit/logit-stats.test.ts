import { expect, test } from "vitest";
import { createLogitStats, type PositionStats } from "../../tools/validate/logit-stats.ts";
import { seededRandom } from "../support/scratch.ts";

interface Case {
  readonly reference: Float32Array | null;
  readonly candidate: Float32Array;
  readonly targets: Int32Array;
  readonly vocab: number;
}

/** Feeds logits [positions, vocab] in tiles of the given widths, a few positions at a time. */
function stats({ reference, candidate, targets, vocab }: Case, widths: readonly number[], step: number) {
  const accumulator = createLogitStats(targets, reference !== null);
  let from = 0;
  for (let k = 0; from < vocab; k++) {
    const width = Math.min(widths[k % widths.length], vocab - from);
    for (let first = 0; first < targets.length; first += step) {
      const positions = Math.min(step, targets.length - first);
      const tile = (values: Float32Array): Float32Array =>
        Float32Array.from(
          { length: positions * width },
          (_, i) => values[(first + Math.floor(i / width)) * vocab + from + (i % width)],
        );
      accumulator.add({
        first,
        positions,
        from,
        width,
        reference: reference && tile(reference),
        candidate: tile(candidate),
      });
    }
    from += width;
  }
  return Array.from(targets, (_, t) => accumulator.row(t));
}

/** The definitions, on whole rows in f64. */
function direct({ reference, candidate, targets, vocab }: Case, t: number): Omit<PositionStats, "finite"> {
  const row = (values: Float32Array): number[] => [...values.subarray(t * vocab, (t + 1) * vocab)];
  const logProbs = (logits: readonly number[]): number[] => {
    const peak = Math.max(...logits);
    const log = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - peak), 0));
    return logits.map((x) => x - peak - log);
  };
  const top5 = (logits: readonly number[]): number[] =>
    logits
      .map((_, id) => id)
      .filter((id) => logits[id] > Number.NEGATIVE_INFINITY)
      .sort((a, b) => logits[b] - logits[a] || a - b)
      .slice(0, 5);
  const [x, y] = [row(reference ?? candidate), row(candidate)];
  const [p, q] = [logProbs(x), logProbs(y)];
  const expectation = (value: (i: number) => number): number =>
    p.reduce((sum, log, i) => sum + (Math.exp(log) === 0 ? 0 : Math.exp(log) * value(i)), 0);
  return {
    kl: expectation((i) => p[i] - q[i]),
    entropy: expectation((i) => -p[i]),
    referenceLogProb: p[targets[t]] ?? Number.NaN,
    candidateLogProb: q[targets[t]] ?? Number.NaN,
    referenceTop1: top5(x)[0],
    candidateTop1: top5(y)[0],
    top5Overlap: top5(x).filter((id) => top5(y).includes(id)).length,
  };
}

function expectClose(found: PositionStats, wanted: Omit<PositionStats, "finite">): void {
  for (const field of ["kl", "entropy", "referenceLogProb", "candidateLogProb"] as const) {
    if (Number.isNaN(wanted[field])) expect(found[field], field).toBeNaN();
    else
      expect(Math.abs(found[field] - wanted[field]), field).toBeLessThanOrEqual(
        1e-12 * (1 + Math.abs(wanted[field])) + 1e-12 * Math.abs(wanted.entropy),
      );
  }
  const { referenceTop1, candidateTop1, top5Overlap } = wanted;
  expect(found).toMatchObject({ referenceTop1, candidateTop1, top5Overlap, finite: true });
}

const random = seededRandom(17);

function randomCase(spread: number, noise: number, paired: boolean): Case {
  const vocab = 7 + Math.floor(random() * 200);
  const count = 1 + Math.floor(random() * 5);
  // Coarse values: ties are common.
  const reference = Float32Array.from(
    { length: vocab * count },
    () => Math.round((random() - 0.5) * 40) * 0.05 * spread,
  );
  const candidate = reference.map((x) => (random() < 0.3 ? x : x + (random() - 0.5) * noise));
  const targets = Int32Array.from({ length: count }, (_, i) => (i === 0 ? -1 : Math.floor(random() * vocab)));
  return { reference: paired ? reference : null, candidate, targets, vocab };
}

test("any tiling gives what the definitions give on whole rows", () => {
  for (let i = 0; i < 300; i++) {
    const one = randomCase([0.1, 1, 10, 100][i % 4], [0, 0.01, 1, 30][Math.floor(i / 4) % 4], i % 5 !== 0);
    const widths = Array.from({ length: 3 }, () => 1 + Math.floor(random() * 64));
    for (const [t, row] of stats(one, widths, 1 + (i % 3)).entries()) {
      expectClose(row, direct(one, t));
      expect(row.kl).toBeGreaterThanOrEqual(-1e-12);
    }
  }
});

test("logits of ±1e4 neither overflow nor vanish, whichever comes first", () => {
  for (const values of [
    [1e4, -1e4, 9999, 0],
    [-1e4, -9999, 0, 1e4],
    [-1e4, -1e4, -1e4, -9999.5],
  ]) {
    const reference = Float32Array.from(values);
    const candidate = reference.map((x, i) => x + (i % 2 ? 0.5 : 0));
    const one = { reference, candidate, targets: Int32Array.of(2), vocab: 4 };
    for (const width of [1, 2, 3, 4]) {
      const [row] = stats(one, [width], 1);
      const wanted = direct(one, 0);
      expect(row.finite).toBe(true);
      expect(row.kl).toBeCloseTo(wanted.kl, 9);
      expect(row.referenceLogProb).toBeCloseTo(wanted.referenceLogProb, 9);
      expect(row.candidateLogProb).toBeCloseTo(wanted.candidateLogProb, 9);
    }
  }
});

test("equal logits have a KL of exactly zero", () => {
  for (let i = 0; i < 50; i++) {
    const { candidate, ...one } = randomCase(10, 1, true);
    for (const row of stats({ ...one, candidate, reference: candidate.slice() }, [16], 2)) {
      expect(row.kl).toBe(0);
      expect(row.candidateLogProb).toBe(row.referenceLogProb);
      expect(row.top5Overlap).toBe(5);
    }
  }
});

test("-infinity rules a token out; where the reference allows it, KL is infinite", () => {
  const out = Number.NEGATIVE_INFINITY;
  const both = {
    reference: Float32Array.of(out, 1, 2, out),
    candidate: Float32Array.of(out, 1, 1.5, out),
    targets: Int32Array.of(1),
    vocab: 4,
  };
  for (const width of [1, 2, 4]) {
    const [row] = stats(both, [width], 1);
    expectClose(row, direct({ ...both, vocab: 4 }, 0));
  }
  const lost = { ...both, reference: Float32Array.of(0, 1, 2, 3) };
  expect(stats(lost, [2], 1)[0]).toMatchObject({ kl: Number.POSITIVE_INFINITY, finite: true });
});

test.each([
  ["NaN", Number.NaN],
  ["+infinity", Number.POSITIVE_INFINITY],
])("%s on either side, in any tile: the position is not finite, its neighbours are", (_, value) => {
  for (const side of ["reference", "candidate"] as const)
    for (const at of [6, 8, 11]) {
      const one = {
        reference: Float32Array.from({ length: 18 }, (_, i) => i % 5),
        candidate: Float32Array.from({ length: 18 }, (_, i) => i % 4),
        targets: Int32Array.of(1, 2, -1),
        vocab: 6,
      };
      one[side][at] = value;
      for (const width of [1, 2, 6])
        expect(stats(one, [width], 3).map(({ finite }) => finite)).toEqual([true, false, true]);
    }
  const alone = Float32Array.of(1, value, 2);
  expect(
    stats({ reference: null, candidate: alone, targets: Int32Array.of(0), vocab: 3 }, [2], 1)[0].finite,
  ).toBe(false);
});

test("of equal logits the earlier token is the likelier", () => {
  const one = {
    reference: Float32Array.of(1, 3, 3, 2, 2, 2, 2, 0),
    candidate: Float32Array.of(2, 2, 3, 3, 2, 2, 2, 2),
    targets: Int32Array.of(0),
    vocab: 8,
  };
  // {1, 2, 3, 4, 5} against {2, 3, 0, 1, 4}.
  for (const width of [1, 3, 8])
    expect(stats(one, [width], 1)[0]).toMatchObject({ referenceTop1: 1, candidateTop1: 2, top5Overlap: 4 });
});
