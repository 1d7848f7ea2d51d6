import type { Codebook } from "../tables/codebooks.ts";

const fround = Math.fround;

/**
 * Exhaustive search of a codebook for the entry nearest to 8 or 4 magnitudes v with weights w, at scale a.
 *
 * The error of an entry with magnitudes m differs from that of the entry (1, 1, ...) by the sum of
 * D_j = w_j a^2 (m_j^2 - 1) - 2 a w_j v_j (m_j - 1). Each possible D is multiplied so that no sum can reach 2^18
 * (entries of 4: 2^19), rounded to an integer, shifted left by 13 (12) bits; then level_j radix^j is added. A
 * plain integer sum over the elements is now cost and identity in one, and one integer minimum picks both. It
 * does not depend on the order of sums and minima, so an implementation may share partial results as it likes;
 * entries of equal cost resolve to the lower identity.
 */
export interface EntrySearch {
  readonly entryLength: number;
  /**
   * Finds the best entry for elements `at ...` at scale a: its identity (levels as digits, element 0 lowest) goes
   * to `found`, the sum of its D is returned. `sumW` and `sumWv` are the sums of w and |w v| over the elements.
   */
  search(a: number, w: Float32Array, wv: Float32Array, at: number, sumW: number, sumWv: number): number;
  found: number;
  /** Codebook index by identity. */
  readonly indexOf: Uint16Array;
  /** Magnitude of element j of the entry with this identity: `magnitudeOf[identity * entryLength + j]`. */
  readonly magnitudeOf: Float32Array;
}

/**
 * The codebook as pairs of halves, each half a number of `half` digits in base `radix`: the low halves that go
 * with high half h are `lows[starts[h]]` to `lows[starts[h + 1] - 1]`, and `indices` are those entries' indices.
 */
function splitEntries(codebook: Codebook, radix: number, half: number) {
  const { codes, levelBits } = codebook;
  const mask = (1 << levelBits) - 1;
  const halves = Array.from(codes, (code, index) => {
    let low = 0;
    let high = 0;
    for (let j = half - 1; j >= 0; j--) {
      low = radix * low + ((code >> (levelBits * j)) & mask);
      high = radix * high + ((code >> (levelBits * (half + j))) & mask);
    }
    return { low, high, index };
  }).sort((a, b) => a.high - b.high || a.low - b.low);
  const starts = new Uint16Array(radix ** half + 1);
  for (const { high } of halves) starts[high + 1]++;
  for (let h = 0; h < radix ** half; h++) starts[h + 1] += starts[h];
  return {
    starts,
    lows: Uint16Array.from(halves, ({ low }) => low),
    indices: Uint16Array.from(halves, ({ index }) => index),
  };
}

export function createEntrySearch(codebook: Codebook): EntrySearch {
  const { entryLength, magnitudes } = codebook;
  const radix = magnitudes.length;
  const half = entryLength / 2;
  const halfCodes = radix ** half;
  const identityBits = entryLength === 8 ? 13 : 12;
  const perUnit = fround(1 / (entryLength === 8 ? 262000 : 524000));
  const tiny = fround(1e-30);
  // Exact in f32: the magnitudes are small multiples of 1/8.
  const squareSteps = magnitudes.map((m) => m * m - 1);
  const linearSteps = magnitudes.map((m) => 2 * (m - 1));

  const { starts, lows, indices } = splitEntries(codebook, radix, half);
  const indexOf = new Uint16Array(halfCodes * halfCodes);
  for (let high = 0; high < halfCodes; high++)
    for (let i = starts[high]; i < starts[high + 1]; i++) indexOf[high * halfCodes + lows[i]] = indices[i];
  const magnitudeOf = new Float32Array(indexOf.length * entryLength);
  for (let i = 0; i < magnitudeOf.length; i++)
    magnitudeOf[i] = magnitudes[Math.floor(Math.floor(i / entryLength) / radix ** (i % entryLength)) % radix];

  const packed = new Int32Array(entryLength * radix);
  const lowSums = new Int32Array(halfCodes);
  const highSums = new Int32Array(halfCodes);

  function sumHalf(sums: Int32Array, first: number): void {
    sums[0] = 0;
    for (let j = 0, known = 1; j < half; j++, known *= radix)
      for (let level = radix - 1; level >= 0; level--)
        for (let code = 0; code < known; code++)
          sums[level * known + code] = sums[code] + packed[(first + j) * radix + level];
  }

  const self: EntrySearch = {
    entryLength,
    found: 0,
    indexOf,
    magnitudeOf,
    search(a, w, wv, at, sumW, sumWv) {
      const square = fround(a * a);
      const bound = fround(
        fround(fround(square * squareSteps[radix - 1]) * sumW) +
          fround(fround(a * linearSteps[radix - 1]) * sumWv),
      );
      const unit = fround(Math.max(bound, tiny) * perUnit);
      const perCost = fround(1 / unit);
      const perSquare = fround(perCost * square);
      const perLinear = fround(perCost * a);
      for (let level = 1; level < radix; level++) {
        const ofW = fround(perSquare * squareSteps[level]);
        const ofWv = fround(perLinear * linearSteps[level]);
        for (let j = 0, place = 1; j < entryLength; j++, place *= radix) {
          const cost = fround(fround(w[at + j] * ofW) - fround(wv[at + j] * ofWv));
          // Adding and subtracting 1.5 * 2^23 in f32 rounds to the nearest integer, ties to even.
          const rounded = fround(fround(cost + 12582912) - 12582912);
          packed[j * radix + level] = (rounded << identityBits) + level * place;
        }
      }
      sumHalf(lowSums, 0);
      sumHalf(highSums, half);
      let least = 0x7fffffff;
      for (let high = 0, i = 0; high < halfCodes; high++) {
        const end = starts[high + 1];
        if (i === end) continue;
        let leastLow = 0x7fffffff;
        for (; i < end; i++) leastLow = Math.min(lowSums[lows[i]], leastLow);
        least = Math.min(leastLow + highSums[high], least);
      }
      self.found = least & ((1 << identityBits) - 1);
      return fround((least >> identityBits) * unit);
    },
  };
  return self;
}
