/**
 * The members of a JSON object with the text of every value: a parsed number written again loses how it was written
 * (`10.0` becomes `10`, which readers with types refuse for a float), so what is not changed passes as text.
 */
export type JsonMembers = ReadonlyMap<string, string>;

/** Splits the text of a JSON object that is known to be valid, without doubled keys. */
export function readMembers(text: string): JsonMembers {
  const members = new Map<string, string>();
  let i = text.indexOf("{") + 1;
  for (;;) {
    while (text[i] !== '"' && text[i] !== "}") i++;
    if (text[i] === "}") return members;
    const afterKey = endOfString(text, i);
    const key = JSON.parse(text.slice(i, afterKey)) as string;
    const start = text.indexOf(":", afterKey) + 1;
    i = endOfValue(text, start);
    members.set(key, atMargin(text.slice(start, i).trim()));
  }
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

/** Position of the comma or bracket after a value. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let i = start; ; ) {
    const char = text[i];
    if (char === '"') {
      i = endOfString(text, i);
      continue;
    }
    if (depth === 0 && (char === "," || char === "}")) return i;
    if (char === "{" || char === "[") depth++;
    if (char === "}" || char === "]") depth--;
    i++;
  }
}

/** A value over several lines, moved out so that its closing bracket is at the margin; no string has line breaks. */
function atMargin(value: string): string {
  const margin = /\n([ \t]+)[}\]]$/.exec(value)?.[1];
  return margin === undefined ? value : value.replaceAll(`\n${margin}`, "\n");
}

/**
 * Replaces members in place, removes those changed to undefined, and appends new ones in the order given. A value that
 * is there already keeps its text.
 */
export function changeMembers(
  members: JsonMembers,
  changes: readonly (readonly [key: string, value: unknown])[],
): JsonMembers {
  const changed = new Map(members);
  for (const [key, value] of changes) {
    const old = changed.get(key);
    const text = value instanceof Map ? writeMembers(value) : JSON.stringify(value, null, 2);
    if (value === undefined) changed.delete(key);
    else if (old === undefined || compact(old) !== compact(text)) changed.set(key, text);
  }
  return changed;
}

/** The text of an object, a member a line, indented by two spaces. */
export function writeMembers(members: JsonMembers): string {
  if (members.size === 0) return "{}";
  const lines = [...members].map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${value.replaceAll("\n", "\n  ")}`,
  );
  return `{\n${lines.join(",\n")}\n}`;
}

const compact = (text: string): string => JSON.stringify(JSON.parse(text));
