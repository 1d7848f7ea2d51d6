/**
 * Python's `difflib.SequenceMatcher(None, a, b).ratio()` with its default `autojunk=True`: characters that are popular in a
 * long `b` start no match, which lowers the ratio of long texts a great deal. Another similarity would not be MRCR's score.
 */

/** From this length of `b` on, popular characters are left out. */
const AUTOJUNK_LENGTH = 200;

/** 2 M / (|a| + |b|), where M counts the characters (code points) in matching blocks; 1 for two empty texts. */
export function sequenceRatio(a: string, b: string): number {
  const left = codePoints(a);
  const right = codePoints(b);
  const total = left.length + right.length;
  return total === 0 ? 1 : (2 * matchedLength(left, right)) / total;
}

const codePoints = (text: string): Int32Array =>
  Int32Array.from(Array.from(text), (character) => character.codePointAt(0) as number);

interface Match {
  readonly a: number;
  readonly b: number;
  readonly size: number;
}

interface Region {
  readonly fromA: number;
  readonly toA: number;
  readonly fromB: number;
  readonly toB: number;
}

function matchedLength(a: Int32Array, b: Int32Array): number {
  const longest = longestMatch(a, b, positionsOf(b));
  const regions: Region[] = [{ fromA: 0, toA: a.length, fromB: 0, toB: b.length }];
  let matched = 0;
  for (let region = regions.pop(); region; region = regions.pop()) {
    const match = longest(region);
    if (match.size === 0) continue;
    matched += match.size;
    const { fromA, toA, fromB, toB } = region;
    if (fromA < match.a && fromB < match.b) regions.push({ fromA, toA: match.a, fromB, toB: match.b });
    const endA = match.a + match.size;
    const endB = match.b + match.size;
    if (endA < toA && endB < toB) regions.push({ fromA: endA, toA, fromB: endB, toB });
  }
  return matched;
}

/** Where each character stands in `b`, ascending; without the popular ones. */
function positionsOf(b: Int32Array): Map<number, number[]> {
  const positions = new Map<number, number[]>();
  b.forEach((character, i) => {
    const known = positions.get(character);
    if (known) known.push(i);
    else positions.set(character, [i]);
  });
  if (b.length >= AUTOJUNK_LENGTH) {
    const most = Math.floor(b.length / 100) + 1;
    for (const [character, places] of positions) if (places.length > most) positions.delete(character);
  }
  return positions;
}

function longestMatch(
  a: Int32Array,
  b: Int32Array,
  positions: ReadonlyMap<number, readonly number[]>,
): (region: Region) => Match {
  // lengths[j + 1]: how long a match ends at the previous i and at j. Only what was set is cleared.
  let lengths = new Int32Array(b.length + 1);
  let next = new Int32Array(b.length + 1);
  return ({ fromA, toA, fromB, toB }) => {
    let [bestA, bestB, size] = [fromA, fromB, 0];
    let set: number[] = [];
    for (let i = fromA; i < toA; i++) {
      const setNow: number[] = [];
      for (const j of positions.get(a[i]) ?? []) {
        if (j < fromB) continue;
        if (j >= toB) break;
        const length = lengths[j] + 1;
        next[j + 1] = length;
        setNow.push(j + 1);
        if (length > size) [bestA, bestB, size] = [i - length + 1, j - length + 1, length];
      }
      for (const j of set) lengths[j] = 0;
      [lengths, next, set] = [next, lengths, setNow];
    }
    for (const j of set) lengths[j] = 0;
    // Popular characters extend a match, and also one of length 0.
    while (bestA > fromA && bestB > fromB && a[bestA - 1] === b[bestB - 1]) {
      bestA--;
      bestB--;
      size++;
    }
    while (bestA + size < toA && bestB + size < toB && a[bestA + size] === b[bestB + size]) size++;
    return { a: bestA, b: bestB, size };
  };
}
