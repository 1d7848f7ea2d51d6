/** The pairs of make.py, by the same generator. */
const ALPHABETS = ["ab", "abc ", "abcdefghijklmnopqrstuvwxyz ", "aé中\u{1f642}\u{1f643} "].map((text) =>
  Array.from(text),
);

type Below = (bound: number) => number;

function xorshift(seed: number): Below {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

const text = (below: Below, alphabet: number, length: number): string[] =>
  Array.from({ length }, () => ALPHABETS[alphabet][below(ALPHABETS[alphabet].length)]);

function mutated(below: Below, source: readonly string[], edits: number): string[] {
  const result = [...source];
  for (let i = 0; i < edits; i++) {
    const kind = below(3);
    if (kind === 0 || result.length === 0) result.splice(below(result.length + 1), 0, text(below, 2, 1)[0]);
    else if (kind === 1) result.splice(below(result.length), 1);
    else result[below(result.length)] = text(below, 2, 1)[0];
  }
  return result;
}

const repeated = (part: readonly string[], times: number): string[] => new Array(times).fill(part).flat();

const MAKERS: readonly ((below: Below) => readonly [string[], string[]])[] = [
  (below) => {
    const alphabet = below(2);
    return [text(below, alphabet, below(60)), text(below, alphabet, below(60))];
  },
  (below) => {
    const a = text(below, 2, below(180));
    return [a, mutated(below, a, below(20))];
  },
  (below) => {
    const b = text(below, 2, 200 + below(300));
    return [mutated(below, b, below(30)), b];
  },
  (below) => {
    const b = text(below, 1 + below(2), 197 + below(6));
    return [mutated(below, b, 1 + below(4)), b];
  },
  (below) => [
    [...repeated(["a", "b"], below(40)), ...text(below, 0, below(5))],
    repeated(["b", "a"], below(140)),
  ],
  (below) => [text(below, 3, below(50)), text(below, 3, below(50))],
  (below) => {
    const blocks = [0, 1, 2, 3].map(() => text(below, 2, 1 + below(40)));
    const order = [0, 1, 2, 3].map(() => blocks[below(4)]);
    return [order.flat(), blocks.flat()];
  },
  (below) => {
    const outer = text(below, 1, 120 + below(120));
    const inner = text(below, 2, below(60));
    return [
      [...outer, ...inner, ...outer.slice(0, 30)],
      [...outer, ...text(below, 2, below(60)), ...outer],
    ];
  },
];

/** The first `count` pairs. */
export function* pairs(count: number): Generator<{ readonly a: string; readonly b: string }> {
  const below = xorshift(20260424);
  for (let i = 0; i < count; i++) {
    const [a, b] = MAKERS[i % MAKERS.length](below);
    yield { a: a.join(""), b: b.join("") };
  }
}
