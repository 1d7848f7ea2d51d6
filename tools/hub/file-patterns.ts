/**
 * Whether a name fits a pattern as Python's fnmatch reads it: `*` and `?` take slashes too, `[a-z]` and `[!a-z]` are sets,
 * and a pattern that ends in a slash means everything in that folder.
 */
export function fitsPattern(name: string, pattern: string): boolean {
  return expressionOf(pattern.endsWith("/") ? `${pattern}*` : pattern).test(name);
}

function expressionOf(pattern: string): RegExp {
  let text = "";
  for (let at = 0; at < pattern.length; ) {
    const set = /^\[(!?)(\]?[^\]]*)\]/.exec(pattern.slice(at));
    if (set) {
      text += setOf(set[1] !== "", set[2]);
      at += set[0].length;
      continue;
    }
    const character = String.fromCodePoint(pattern.codePointAt(at) as number);
    text += character === "*" ? ".*" : character === "?" ? "." : escaped(character);
    at += character.length;
  }
  return new RegExp(`^${text}$`, "su");
}

function setOf(negated: boolean, members: string): string {
  // A range from a later to an earlier character holds nothing.
  const kept = [...members.matchAll(/(.)-(.)|(.)/gsu)]
    .filter(([, from, to]) => from === undefined || from <= to)
    .map(([, from, to, single]) => (from === undefined ? escaped(single) : `${escaped(from)}-${escaped(to)}`))
    .join("");
  if (kept === "") return negated ? "." : "(?!)";
  return `[${negated ? "^" : ""}${kept}]`;
}

const escaped = (character: string): string =>
  /[\^$\\.*+?()[\]{}|/-]/.test(character) ? `\\u{${character.charCodeAt(0).toString(16)}}` : character;
