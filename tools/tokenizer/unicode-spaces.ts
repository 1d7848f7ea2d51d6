/** Unicode White_Space, which `\s` means in the regular expressions of tokenizer.json; JavaScript's `\s` has U+FEFF and lacks U+0085. */
const SPACES = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** A tokenizer.json whose patterns mean in JavaScript what they mean where they were written. */
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

function explicitSpaces(pattern: string): string {
  let inClass = false;
  return pattern.replace(/\\(.)|[[\]]/gs, (whole, escaped: string | undefined) => {
    if (whole === "[") inClass = true;
    if (whole === "]") inClass = false;
    if (escaped === "s") return inClass ? SPACES : `[${SPACES}]`;
    if (escaped === "S" && !inClass) return `[^${SPACES}]`;
    return whole;
  });
}
