/**
 * Text of every kind, the same as test/vectors/tokenizer/mixed.py makes from the same seed: scripts, marks, emoji, digits,
 * runs of spaces, code, control characters, halves of surrogate pairs.
 */
const RANGES: readonly (readonly [number, number])[] = [
  [0x391, 0x3a1], // Greek
  [0x410, 0x44f], // Cyrillic
  [0x5d0, 0x5ea], // Hebrew
  [0x621, 0x63a], // Arabic
  [0x905, 0x939], // Devanagari
  [0xe01, 0xe2e], // Thai
  [0x10d0, 0x10f0], // Georgian
  [0xac00, 0xd7a3], // Hangul
  [0x3041, 0x3096], // Hiragana
  [0x30a1, 0x30fa], // Katakana
  [0x4e00, 0x9fa5], // the ideographs that V4 splits off
  [0x9fa6, 0x9fcc], // and those that it does not
  [0x3400, 0x4db5],
  [0x20000, 0x2a6d6],
  [0xc0, 0xff], // Latin-1
  [0x300, 0x36f], // combining marks
  [0x1f600, 0x1f64f], // emoji
  [0x2190, 0x21ff], // arrows
  [0x2150, 0x2188], // number forms
  [0x660, 0x669], // Arabic digits
  [0x1d7ce, 0x1d7ff], // mathematical digits
  [0xe000, 0xe0ff], // private use
  [0x0, 0x1f],
  [0x21, 0x2f],
  [0x3a, 0x40],
  [0x5b, 0x60],
  [0x7b, 0x7f],
  [0xff01, 0xff5e], // full width
];
const SPACES = [..." \n\t\u00a0\u0085\u3000\ufeff\u2028\u200b\u2003", "  ", "\r\n"];
const SCRAPS = [
  ...[
    "def f(x):\n    return x**2  # 12345\n",
    '<div class="a">',
    '{"k": [1, 2.5e-7]}',
    "https://example.org/a?b=c&d=%20",
  ],
  ...[
    "don't",
    "’s",
    "//",
    "/*",
    "<|",
    "｜",
    "->",
    "\\n",
    "</",
    "…",
    "$x_1$",
    "👩\u200d👩\u200d👧",
    "🇩🇪",
    "👍🏽",
    "e\u0301",
    "constructor",
  ],
];
const WORDS =
  "the of and to in that it was his he with as for had you not be on at by which have or from this him but all".split(
    " ",
  );

/** Text number `chunk` of a seed, of `pieces` pieces. */
export function mixedText(seed: number, chunk: number, pieces: number): string {
  // xorshift32, from a state that no small seed makes zero.
  let state = (0x9e3779b9 ^ (seed * 1000 + chunk + 1)) >>> 0;
  const below = (count: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % count;
  };
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const repeated = (count: number, make: () => string): string => {
    let text = "";
    for (let i = 0; i < count; i++) text += make();
    return text;
  };
  const within = ([first, last]: readonly [number, number]): string =>
    String.fromCodePoint(first + below(last - first + 1));

  const KINDS: readonly (() => string)[] = [
    () => ` ${pick(WORDS)}`,
    () => ` ${pick(WORDS)}`,
    () => repeated(1 + below(10), () => within([0x61, 0x7a])),
    () => ` ${repeated(1 + below(6), () => within([0x41, 0x5a]))}`,
    () => repeated(1 + below(12), () => within([0x30, 0x39])),
    () => repeated(1 + below(6), () => pick(SPACES)),
    () => pick(SPACES).repeat(1 + below(9)),
    () => {
      const range = pick(RANGES);
      return repeated(1 + below(8), () => within(range));
    },
    () => repeated(1 + below(4), () => within(pick(RANGES))),
    () => pick(SCRAPS),
    () => within([0x61, 0x7a]).repeat(1 + below(120)),
    // A half is followed by what cannot complete it.
    () => (below(2) ? within([0xdc00, 0xdfff]) : `${within([0xd800, 0xdbff])}x`),
  ];
  return repeated(pieces, () => pick(KINDS)());
}
