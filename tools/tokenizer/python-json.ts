import { MAX_JSON_DEPTH } from "../lib/limits.ts";

/**
 * JSON as Python's `json` module reads it: order of keys and exact numbers are part of a prompt, and `JSON.parse` keeps
 * neither (2.0 becomes 2, keys such as "7" move to the front, large integers lose digits). Numbers, booleans and null are
 * what Python would print for them.
 */
export type JsonValue =
  | string
  | { readonly literal: string }
  | readonly JsonValue[]
  | ReadonlyMap<string, JsonValue>;

/** Python refuses to make an integer of more digits. */
const MAX_INTEGER_DIGITS = 4300;

const NUMBER = /(-?(?:0|[1-9]\d*))(\.\d+)?([eE][-+]?\d+)?/y;
const WORD = /true|false|null|NaN|-?Infinity/y;
const SPACE = /[ \t\n\r]*/y;

/** A JSON text, or undefined where Python would not read it. Of equal keys the last counts, at the place of the first. */
export function readPythonJson(text: string): JsonValue | undefined {
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at += match[0].length;
    return match;
  };
  const next = (character: string): boolean => {
    take(SPACE);
    if (text[at] !== character) return false;
    at++;
    return true;
  };

  function readString(): string | undefined {
    const start = at++;
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at++;
    try {
      return JSON.parse(text.slice(start, at)) as string;
    } catch {
      return undefined;
    }
  }

  function readArray(depth: number): JsonValue | undefined {
    at++;
    const items: JsonValue[] = [];
    if (next("]")) return items;
    do {
      const item = readValue(depth);
      if (item === undefined) return undefined;
      items.push(item);
    } while (next(","));
    return next("]") ? items : undefined;
  }

  function readObject(depth: number): JsonValue | undefined {
    at++;
    const entries = new Map<string, JsonValue>();
    if (next("}")) return entries;
    do {
      take(SPACE);
      const key = text[at] === '"' ? readString() : undefined;
      if (key === undefined || !next(":")) return undefined;
      const value = readValue(depth);
      if (value === undefined) return undefined;
      entries.set(key, value);
    } while (next(","));
    return next("}") ? entries : undefined;
  }

  function readValue(depth: number): JsonValue | undefined {
    take(SPACE);
    if (text[at] === '"') return readString();
    if (depth === MAX_JSON_DEPTH) return undefined;
    if (text[at] === "[") return readArray(depth + 1);
    if (text[at] === "{") return readObject(depth + 1);
    const word = take(WORD);
    if (word) return { literal: word[0] };
    const number = take(NUMBER);
    return number ? numberOf(number) : undefined;
  }

  const value = readValue(0);
  take(SPACE);
  return at === text.length ? value : undefined;
}

function numberOf([lexeme, integer, fraction, exponent]: RegExpExecArray): JsonValue | undefined {
  if (fraction !== undefined || exponent !== undefined) return { literal: floatRepr(Number(lexeme)) };
  if (integer.length - (integer[0] === "-" ? 1 : 0) > MAX_INTEGER_DIGITS) return undefined;
  return { literal: integer === "-0" ? "0" : integer };
}

/** Python's repr of a float: shortest digits that read back, an exponent below 1e-4 and from 1e16 on. */
function floatRepr(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const [mantissa, power] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16)
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

const writeString = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to escape
  `"${text.replace(/["\\\u0000-\u001f]/g, (character) => ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;

/** The text of Python's `json.dumps(value, ensure_ascii=False)`. */
export function writePythonJson(value: JsonValue): string {
  if (typeof value === "string") return writeString(value);
  if (value instanceof Map)
    return `{${Array.from(value, ([key, item]) => `${writeString(key)}: ${writePythonJson(item)}`).join(", ")}}`;
  if (Array.isArray(value)) return `[${value.map(writePythonJson).join(", ")}]`;
  return (value as { literal: string }).literal;
}
