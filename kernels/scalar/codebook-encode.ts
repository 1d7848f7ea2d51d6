import { type CodebookBlock, type CodebookTraits, SUPER_BLOCK } from "./codebook-block.ts";
import { createEntrySearch } from "./codebook-search.ts";
import { f16ToF32, f32ToF16 } from "./float16.ts";
import { TINY } from "./limits.ts";

const fround = Math.fround;

/**
 * The encoder of the iq2 and iq3 formats, in f32, every operation in the order written (the compiled kernels run
 * one super-block per lane and do the same). v = |x|, m = a magnitude of the codebook, y = sign a m.
 *
 * 1. The sum of w (y - x)^2 is made small, w = importance or 1: with importance the mean square of an input, that
 *    is the expected error of the layer's output.
 * 2. Parity: where 8 elements must have an even number of negatives and have not, the one with the least w v^2
 *    gets the wrong sign, which is the same as a negative v.
 * 3. Per group a scale. Its order of magnitude comes from r = sum w v^2 / sum w v ("mean": three levels, most
 *    elements near the middle one) or r = max v ("peak": eight levels, the largest element decides). At each of
 *    `factors` times r the best entries are found exhaustively; their least-squares scale is A / B with
 *    A = sum w v m, B = sum w m^2, and leaves the error sum w v^2 - A^2 / B. The scale with the least error stays.
 * 4. d = largest scale / 31 as f16. Per group, the two integers s around (scale / d - 1) / 2 are searched with the
 *    very scale d (2 s + 1) that decoding will use; the least error wins, the lower s in a tie.
 * 5. Parity again: with the magnitudes known, the wrong sign moves to the element where w v m is least.
 * 6. With everything else fixed, d is set so that the block keeps its energy: sum w y^2 = sum w x^2. Least squares
 *    would shrink every block, and matrices that shrink together cost more KL than the error they save (docs/kernels.md).
 *
 * Importance is normalised. A scale never exceeds the largest value, so that d is finite.
 * Returns a function that fills `block` from `src[from ...]`, or says false when the block is all zero bytes.
 */
export function createCodebookEncoder(traits: CodebookTraits) {
  const search = createEntrySearch(traits.codebook);
  const { entryLength, magnitudeOf } = search;
  const { groupLength } = traits;
  const entriesPerGroup = groupLength / entryLength;
  const groups = SUPER_BLOCK / groupLength;
  const factors = traits.factors.map(fround);

  const v = new Float32Array(SUPER_BLOCK);
  const w = new Float32Array(SUPER_BLOCK);
  /** w v, negative for an element with the wrong sign. */
  const wv = new Float32Array(SUPER_BLOCK);
  const oddSigns = new Uint8Array(SUPER_BLOCK / 8);
  /** Sums of w and |w v| over each entry's elements. */
  const entryW = new Float32Array(SUPER_BLOCK / entryLength);
  const entryWv = new Float32Array(SUPER_BLOCK / entryLength);
  /** Sums of w, w v and w v^2 over each group: entry sums, added in order. */
  const groupW = new Float32Array(groups);
  const groupWv = new Float32Array(groups);
  const groupEnergy = new Float32Array(groups);
  const groupScale = new Float32Array(groups);
  const found = new Uint16Array(entriesPerGroup);
  const chosen = new Uint16Array(SUPER_BLOCK / entryLength);

  /** Step 1. */
  function setWeights(importance: Float32Array | undefined, from: number): void {
    for (let i = 0; i < SUPER_BLOCK; i++) {
      w[i] = importance ? importance[from + i] : 1;
      wv[i] = w[i] * v[i];
    }
  }

  /** Step 2; the true signs go to `signs`. */
  function setSigns(src: Float32Array, from: number, signs: Uint8Array): void {
    for (let byte = 0; byte < signs.length; byte++) {
      let mask = 0;
      let odd = 0;
      let least = fround(3e38);
      let wrong = 0;
      for (let j = 0; j < 8; j++) {
        const i = 8 * byte + j;
        if (src[from + i] < 0) {
          mask |= 1 << j;
          odd ^= 1;
        }
        const error = fround(wv[i] * v[i]);
        if (error < least) {
          least = error;
          wrong = i;
        }
      }
      signs[byte] = mask;
      oddSigns[byte] = traits.evenSigns ? odd : 0;
      if (oddSigns[byte]) wv[wrong] = -wv[wrong];
    }
  }

  function setSums(group: number): void {
    groupW[group] = 0;
    groupWv[group] = 0;
    groupEnergy[group] = 0;
    for (let entry = group * entriesPerGroup; entry < (group + 1) * entriesPerGroup; entry++) {
      let sumW = 0;
      let sumWv = 0;
      let signed = 0;
      let energy = 0;
      for (let i = entry * entryLength; i < (entry + 1) * entryLength; i++) {
        sumW = fround(sumW + w[i]);
        sumWv = fround(sumWv + Math.abs(wv[i]));
        signed = fround(signed + wv[i]);
        energy = fround(energy + fround(Math.abs(wv[i]) * v[i]));
      }
      entryW[entry] = sumW;
      entryWv[entry] = sumWv;
      groupW[group] += sumW;
      groupWv[group] += signed;
      groupEnergy[group] += energy;
    }
  }

  /** Searches all entries of a group at scale a, to `found`. Returns the error, less sum w v^2. */
  function searchGroup(group: number, a: number): number {
    let error = fround(a * fround(fround(a * groupW[group]) - fround(2 * groupWv[group])));
    for (let k = 0; k < entriesPerGroup; k++) {
      const entry = group * entriesPerGroup + k;
      error = fround(error + search.search(a, w, wv, entry * entryLength, entryW[entry], entryWv[entry]));
      found[k] = search.found;
    }
    return error;
  }

  /** A and B of the entries in `found`: entry sums, added in order. */
  function leastSquares(group: number): { a: number; b: number } {
    let a = 0;
    let b = 0;
    for (let k = 0; k < entriesPerGroup; k++) {
      let entryA = 0;
      let entryB = 0;
      for (let j = 0; j < entryLength; j++) {
        const i = group * groupLength + k * entryLength + j;
        const m = magnitudeOf[found[k] * entryLength + j];
        entryA = fround(entryA + fround(wv[i] * m));
        entryB = fround(entryB + fround(fround(w[i] * m) * m));
      }
      a = fround(a + entryA);
      b = fround(b + entryB);
    }
    return { a, b };
  }

  /** r of step 3. */
  function typicalValue(group: number): number {
    if (traits.scaleFrom === "peak") {
      let peak = 0;
      for (let i = group * groupLength; i < (group + 1) * groupLength; i++) peak = Math.max(peak, v[i]);
      return peak;
    }
    let sumWv = 0;
    for (let k = 0; k < entriesPerGroup; k++) sumWv = fround(sumWv + entryWv[group * entriesPerGroup + k]);
    return sumWv > 0 ? fround(groupEnergy[group] / sumWv) : 0;
  }

  /** Step 3. */
  function setScale(group: number): void {
    const r = typicalValue(group);
    let least = fround(3e38);
    for (const factor of factors) {
      let scale = fround(r * factor);
      searchGroup(group, scale);
      const { a, b } = leastSquares(group);
      if (a > 0 && b > 0) scale = fround(a / b);
      const error = fround(groupEnergy[group] - fround(a * scale));
      if (error < least) {
        least = error;
        groupScale[group] = scale;
      }
    }
  }

  /** Step 4 for one group. */
  function chooseLevels(group: number, d: number, block: CodebookBlock): void {
    const ideal = fround(fround(fround(groupScale[group] * fround(1 / d)) - 1) * 0.5);
    const lower = fround(fround(fround(Math.min(ideal, 1000) - 0.5) + 12582912) - 12582912);
    let least = fround(3e38);
    for (let step = 0; step <= 1; step++) {
      const s = Math.max(0, Math.min(15, lower + step));
      const error = searchGroup(group, fround(d * (2 * s + 1)));
      if (error < least) {
        least = error;
        block.scales[group] = s;
        chosen.set(found, group * entriesPerGroup);
      }
    }
  }

  /** Steps 5 and 6. */
  function finish(block: CodebookBlock): void {
    let numerator = 0;
    let denominator = 0;
    let energy = 0;
    for (let group = 0; group < groups; group++) {
      let a = 0;
      let b = 0;
      for (let first = group * groupLength; first < (group + 1) * groupLength; first += 8) {
        let byteA = 0;
        let byteB = 0;
        let least = fround(3e38);
        let wrong = 0;
        for (let j = 0; j < 8; j++) {
          const i = first + j;
          const m = magnitudeOf[chosen[Math.floor(i / entryLength)] * entryLength + (i % entryLength)];
          const cost = fround(Math.abs(wv[i]) * m);
          byteA = fround(byteA + cost);
          byteB = fround(byteB + fround(fround(w[i] * m) * m));
          if (cost < least) {
            least = cost;
            wrong = j;
          }
        }
        if (oddSigns[first / 8]) {
          block.signs[first / 8] ^= 1 << wrong;
          byteA = fround(byteA - fround(2 * least));
        }
        a = fround(a + byteA);
        b = fround(b + byteB);
      }
      const f = 2 * block.scales[group] + 1;
      numerator = fround(numerator + fround(f * a));
      denominator = fround(denominator + fround(f * f * b));
      energy = fround(energy + groupEnergy[group]);
    }
    const d =
      numerator > 0 && denominator > 0 ? f32ToF16(fround(Math.sqrt(fround(energy / denominator)))) : 0;
    if (d > 0) block.d = d;
  }

  return function encode(
    src: Float32Array,
    from: number,
    block: CodebookBlock,
    importance: Float32Array | undefined,
    weightsFrom: number,
  ): boolean {
    let peak = 0;
    for (let i = 0; i < SUPER_BLOCK; i++) {
      v[i] = Math.abs(src[from + i]);
      peak = Math.max(peak, v[i]);
    }
    if (peak < TINY) return false;
    setWeights(importance, weightsFrom);
    setSigns(src, from, block.signs);
    let largest = 0;
    for (let group = 0; group < groups; group++) {
      setSums(group);
      setScale(group);
      largest = Math.max(largest, groupScale[group]);
    }
    block.d = f32ToF16(fround(largest * fround(1 / 31)));
    const d = f16ToF32(block.d);
    if (d === 0) return false;
    for (let group = 0; group < groups; group++) chooseLevels(group, d, block);
    finish(block);
    for (let entry = 0; entry < chosen.length; entry++) block.entries[entry] = search.indexOf[chosen[entry]];
    return true;
  };
}
