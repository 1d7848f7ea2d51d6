/**
 * A tokenizer.json whose patterns mean in JavaScript what they mean where they were written: `\s` is Unicode's
 * White_Space there, JavaScript's has U+FEFF and lacks U+0085.
 */
export function unicodeSpaces(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(unicodeSpaces);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      // The vocabulary may hold any word as a key: only the pre-tokenizer has patterns.
      key === "model" || key === "added_tokens"
        ? value
        : key === "Regex" && typeof value === "string"
          ? explicitSpaces(value)
          : unicodeSpaces(value),
    ]),
  );
}

/** Takes escapes one by one, so that the `s` of `\\s`, a backslash and a letter, stays what it is. */
const explicitSpaces = (pattern: string): string =>
  pattern.replace(/\\(.)/gsu, (whole, escaped: string) =>
    escaped === "s" ? "\\p{White_Space}" : escaped === "S" ? "\\P{White_Space}" : whole,
  );
