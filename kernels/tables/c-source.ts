import { type Codebook, type CodebookName, codebooks } from "./codebooks.ts";

const ORIGIN = "/* Made by kernels/tables/generate.ts from kernels/tables/codebooks.ts; edit those. */";

function cArray(type: string, name: string, values: ArrayLike<number>, digits: number): string {
  const texts = Array.from(values, (value) => `0x${value.toString(16).padStart(digits, "0")}`);
  const lines = [];
  for (let i = 0; i < texts.length; i += 12) lines.push(`    ${texts.slice(i, i + 12).join(", ")},`);
  return `static const ${type} ${name}[${texts.length}] = {\n${lines.join("\n")}\n};\n`;
}

/** Level of element j of an entry. */
function levelOf(codebook: Codebook, code: number, j: number): number {
  return (code >> (codebook.levelBits * j)) & ((1 << codebook.levelBits) - 1);
}

/** The values of one codebook for C: `MAGNITUDES` by level (padded to a power of two), `CODES` by index. */
function codebookValues(name: CodebookName): string {
  const { codes, entryLength, levelBits, magnitudes } = codebooks[name];
  const padded = Array.from({ length: 1 << levelBits }, (_, level) => magnitudes[level] ?? 0);
  return `enum { ENTRY_LENGTH = ${entryLength}, LEVEL_BITS = ${levelBits}, RADIX = ${magnitudes.length}, ENTRIES = ${codes.length} };
static const float MAGNITUDES[${padded.length}] = {${padded.map((m) => `${m.toFixed(3)}f`).join(", ")}};
${cArray("uint16_t", "CODES", codes, 4)}`;
}

/**
 * Which elements form the half whose sums are minimised first. Of all splits this one needs the fewest
 * operations (the number of distinct halves and of distinct sets of partners differs).
 */
const FIRST_HALF: Readonly<Record<CodebookName, readonly number[]>> = {
  iq2_xxs: [2, 3, 6, 7],
  iq2_xs: [2, 3, 4, 6],
  iq2_s: [2, 3, 4, 6],
  iq3_xxs: [0, 2],
  iq3_s: [0, 3],
};

type Half = readonly number[];

/** Names of partial sums as C expressions; "" is the sum of nothing (all levels 0). */
function plus(a: string, b: string): string {
  return a && b ? `${a} + ${b}` : a || b;
}

function step(element: number, level: number): string {
  return level === 0 ? "" : `step[${element}][${level - 1}]`;
}

/** The sum of two elements' steps by their levels; a pair's sum gets a variable when it is first asked for. */
function pairSums(lines: string[], name: string, i: number, j: number): (a: number, b: number) => string {
  const known = new Set<string>();
  return (a, b) => {
    const sum = plus(step(i, a), step(j, b));
    if (a === 0 || b === 0) return sum;
    const variable = `${name}${a}${b}`;
    if (!known.has(variable)) lines.push(`  const vi ${variable} = ${sum};`);
    known.add(variable);
    return variable;
  };
}

/** The sum over a half of 4 (two pairs) or of 2 elements as an expression. */
function halfSums(lines: string[], names: string, elements: Half): (half: Half) => string {
  const first = pairSums(lines, names[0], elements[0], elements[1]);
  if (elements.length === 2) return ([a, b]) => first(a, b);
  const second = pairSums(lines, names[1], elements[2], elements[3]);
  return ([a, b, c, d]) => plus(first(a, b), second(c, d));
}

/** Replaces pairs that occur in several sets by a new member, most frequent first. Returns the pairs made. */
function sharePairs(sets: Set<number>[], firstNew: number): [number, number][] {
  const made: [number, number][] = [];
  for (;;) {
    const counts = new Map<number, number>();
    let best = -1;
    for (const set of sets) {
      const members = [...set].sort((a, b) => a - b);
      for (let i = 0; i < members.length; i++)
        for (let j = i + 1; j < members.length; j++) {
          const key = members[i] * 65536 + members[j];
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
    }
    for (const [key, count] of counts) {
      const record = counts.get(best) ?? 1;
      if (count > record || (count === record && count > 1 && key < best)) best = key;
    }
    if (best < 0) return made;
    const pair: [number, number] = [Math.floor(best / 65536), best % 65536];
    for (const set of sets)
      if (set.has(pair[0]) && set.has(pair[1])) {
        set.delete(pair[0]);
        set.delete(pair[1]);
        set.add(firstNew + made.length);
      }
    made.push(pair);
  }
}

/** Nested minimum of expressions, as a balanced tree so that its depth does not limit the speed. */
function minimum(terms: readonly string[]): string {
  if (terms.length === 1) return terms[0];
  const middle = terms.length >> 1;
  return `vi_min(${minimum(terms.slice(0, middle))}, ${minimum(terms.slice(middle))})`;
}

/**
 * `best_entry(step)`: the least, over all entries, of the sum of step[j][level_j - 1] (level 0 adds nothing), as
 * straight-line code. Each entry is a first and a second half. The sums of all first halves are taken once; for
 * each set of first halves that some second halves share, its minimum; to that the least of those second halves.
 */
function entrySearchSource(name: CodebookName): string {
  const codebook = codebooks[name];
  const first = FIRST_HALF[name];
  const second = Array.from({ length: codebook.entryLength }, (_, j) => j).filter((j) => !first.includes(j));
  const halfOf = (code: number, elements: Half) => elements.map((j) => levelOf(codebook, code, j));

  const firstHalves = new Map<string, number>();
  const partners = new Map<string, { half: Half; firsts: Set<number> }>();
  const sortedCodes = [...codebook.codes].sort((a, b) => a - b);
  for (const code of sortedCodes) firstHalves.set(halfOf(code, first).join(), 0);
  const firstNames = [...firstHalves.keys()].sort();
  firstNames.forEach((key, i) => {
    firstHalves.set(key, i);
  });
  for (const code of sortedCodes) {
    const half = halfOf(code, second);
    const entry = partners.get(half.join()) ?? { half, firsts: new Set<number>() };
    entry.firsts.add(firstHalves.get(halfOf(code, first).join()) as number);
    partners.set(half.join(), entry);
  }
  const bySet = new Map<string, { firsts: Set<number>; halves: Half[] }>();
  for (const { half, firsts } of partners.values()) {
    const key = [...firsts].sort((a, b) => a - b).join();
    const group = bySet.get(key) ?? { firsts, halves: [] };
    group.halves.push(half);
    bySet.set(key, group);
  }

  const lines: string[] = [];
  const firstSum = halfSums(lines, "pq", first);
  firstNames.forEach((key, i) => {
    lines.push(`  const vi t${i} = ${firstSum(key.split(",").map(Number)) || "vi_set(0)"};`);
  });
  const groups = [...bySet.values()];
  const made = sharePairs(
    groups.map((group) => group.firsts),
    firstNames.length,
  );
  made.forEach(([a, b], i) => {
    lines.push(`  const vi t${firstNames.length + i} = vi_min(t${a}, t${b});`);
  });
  const secondSum = halfSums(lines, "rs", second);
  groups.forEach(({ firsts, halves }, i) => {
    const least = minimum([...firsts].sort((a, b) => a - b).map((t) => `t${t}`));
    const rest = halves.map((half) => secondSum(half) || "vi_set(0)");
    const sum = rest.length === 1 && rest[0] === "vi_set(0)" ? least : `${least} + ${minimum(rest)}`;
    lines.push(i === 0 ? `  vi best = ${sum};` : `  best = vi_min(best, ${sum});`);
  });
  return `V4_INLINE vi best_entry(vi step[ENTRY_LENGTH][RADIX - 1]) {\n${lines.join("\n")}\n  return best;\n}\n`;
}

/** The header of one format: values for its decoder and encoder, and its search. */
export function codebookHeader(name: CodebookName): string {
  return `${ORIGIN}\n${codebookValues(name)}\n${entrySearchSource(name)}`;
}
