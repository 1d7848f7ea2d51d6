import { inputError, usageError, V4Error } from "../../tools/lib/errors.ts";
import { readSmallFile } from "../../tools/lib/files.ts";
import { MAX_API_KEY_BYTES } from "../../tools/lib/limits.ts";

export interface KeyChoice {
  /** `--api-key-env`: the variable that holds the key. */
  readonly variable?: string;
  /** `--api-key-file`. */
  readonly file?: string;
  /** The usual variable of a hosted service; it is read for that service alone. */
  readonly usualVariable?: string;
  /** Nothing will be sent: the usual variable need not be set. */
  readonly optional?: boolean;
}

/** Finds the key: in a file, in the variable that was named, or in the usual one. Keys never come from the command line. */
export async function readApiKey(
  choice: KeyChoice,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const { variable, file, usualVariable } = choice;
  if (variable !== undefined && file !== undefined)
    throw usageError({ what: "name one source of the key", expected: "--api-key-env or --api-key-file" });
  if (file !== undefined) {
    const text = new TextDecoder().decode(await readSmallFile(file, MAX_API_KEY_BYTES));
    return checkedKey(text.trim(), `the key file ${file}`);
  }
  if (variable !== undefined) {
    const value = env[variable]?.trim();
    if (!value)
      throw inputError({
        what: `the environment variable ${variable} is not set`,
        next: "export the key in it, or name another with --api-key-env",
      });
    return checkedKey(value, `the variable ${variable}`);
  }
  if (usualVariable === undefined) return undefined;
  const value = env[usualVariable]?.trim();
  if (value) return checkedKey(value, `the variable ${usualVariable}`);
  if (choice.optional) return undefined;
  throw new V4Error("permission", {
    what: "this service wants a key and there is none",
    next: `export it as ${usualVariable}, or give --api-key-env NAME or --api-key-file FILE`,
  });
}

/** Anything else would be refused by HTTP, in an error that might show it. */
function checkedKey(key: string, where: string): string {
  if (!/^[\x21-\x7e]+$/.test(key))
    throw usageError({
      what: `${where} holds no key`,
      expected: "one line of printable ASCII without spaces",
    });
  return key;
}

export interface Redactor {
  /** For errors and logs: also what a server leaves of a key when it shortens it. */
  message(text: string): string;
  /** For replies: the key itself, unless it is so short that it could be an ordinary word. */
  reply(text: string): string;
}

const HIDDEN = "[key]";
const SHORT_KEY_CHARS = 12;

/** Removes a key from what a server says: some repeat the header that they refuse. */
export function redactorOf(key: string | undefined): Redactor {
  if (key === undefined) return { message: (text) => text, reply: (text) => text };
  const forms = [...new Set([key, encodeURIComponent(key), Buffer.from(key).toString("base64")])];
  const exact = new RegExp(forms.map(escaped).join("|"), "g");
  const shortened =
    key.length < SHORT_KEY_CHARS
      ? exact
      : new RegExp(`${exact.source}|${escaped(key.slice(0, 6))}[\\w*.…-]*`, "g");
  return {
    message: (text) => text.replace(shortened, HIDDEN),
    reply: (text) => (key.length < SHORT_KEY_CHARS ? text : text.replace(exact, HIDDEN)),
  };
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
