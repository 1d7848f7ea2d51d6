import { dataError } from "./errors.ts";

/**
 * Parses JSON whose keys must be unique: `JSON.parse` silently keeps the last of two equal keys, so a file could
 * show one tensor to us and another to the next reader. The bytes must be plain UTF-8 without a byte order mark.
 */
export function parseStrictJson(bytes: Uint8Array, file: string): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw dataError({ what: "the JSON text is not valid UTF-8", file }, error);
  }
  if (text.startsWith("\ufeff"))
    throw dataError({
      what: "the JSON text begins with a byte order mark",
      file,
      next: "save it as plain UTF-8",
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw dataError({ what: `not valid JSON: ${(error as Error).message}`, file }, error);
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined)
    throw dataError({ what: `the key "${duplicate}" appears twice in one JSON object`, file });
  return value;
}

/** The first key that occurs twice in one object of a *valid* JSON text, or undefined. */
function findDuplicateKey(text: string): string | undefined {
  // One entry per open bracket: the keys seen so far in an object, null in an array.
  const open: (Set<string> | null)[] = [];
  let i = 0;
  while (i < text.length) {
    const char = text[i];
    if (char === "{") open.push(new Set());
    else if (char === "[") open.push(null);
    else if (char === "}" || char === "]") open.pop();
    else if (char === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
      const keys = open.at(-1);
      if (keys && isKey(text, i + 1)) {
        const key = JSON.parse(text.slice(start, i + 1)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
      }
    }
    i++;
  }
  return undefined;
}

function isKey(text: string, afterQuote: number): boolean {
  let i = afterQuote;
  while (text[i] === " " || text[i] === "\n" || text[i] === "\r" || text[i] === "\t") i++;
  return text[i] === ":";
}
