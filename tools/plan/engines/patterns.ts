/** More of `*` and `+` would let a pattern take forever on 70,000 names; no published pack has more than three. */
const MAX_QUANTIFIERS = 4;

export type NameTest = (name: string) => boolean;

/**
 * A target or ignore entry of compressed-tensors: `re:` and a regular expression of Python's, matched from the start
 * of a module's name, a whole name, or a class of modules. Undefined where it is no expression that can be tried safely.
 */
export function targetPattern(entry: string): NameTest | undefined {
  if (!entry.startsWith("re:")) return (name) => entry === "Linear" || name === entry;
  const body = entry.slice("re:".length);
  const quantifiers = body.replace(/\\./g, "").match(/[*+{?]/g)?.length ?? 0;
  if (quantifiers > MAX_QUANTIFIERS || /\)[*+{?]/.test(body) || /\(\?|\\[1-9]/.test(body)) return undefined;
  try {
    const expression = new RegExp(`^(?:${body})`);
    return (name) => expression.test(name);
  } catch {
    return undefined;
  }
}

/** An `exclude_modules` entry of ModelOpt: `*` stands for anything. */
export function wildcardPattern(entry: string): NameTest | undefined {
  const parts = entry.split("*");
  if (parts.length - 1 > MAX_QUANTIFIERS) return undefined;
  const expression = new RegExp(
    `^${parts.map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`,
  );
  return (name) => expression.test(name);
}
