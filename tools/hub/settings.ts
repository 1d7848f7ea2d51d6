import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { systemError, usageError } from "../lib/errors.ts";

/** Where the Hub and its cache are, as Python's huggingface_hub reads it from the environment. */
export interface HubSettings {
  /** Origin of the Hub, with a path where it has one, without a slash at the end. */
  readonly endpoint: string;
  readonly token?: string;
  readonly cacheFolder: string;
  readonly offline: boolean;
  readonly showProgress: boolean;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";

/** What a token can be made of; anything else would not survive the way into an HTTP header. */
const TOKEN = /^[\x21-\x7e]+$/;

/**
 * Reads the settings. A variable that is set but empty counts as not set: Python would take the working directory for a
 * cache then. Errors: a malformed HF_ENDPOINT or token (64, without showing the token), a token file that cannot be read.
 */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const home = expanded(
    env.HF_HOME || join(env.XDG_CACHE_HOME || join(homeOf(env), ".cache"), "huggingface"),
    env,
  );
  const token = isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? undefined : tokenOf(env, home);
  return {
    endpoint: endpointOf(env),
    ...(token && { token }),
    cacheFolder: expanded(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, "hub"), env),
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    showProgress: !isTrue(env.HF_HUB_DISABLE_PROGRESS_BARS),
  };
}

/** The words that huggingface_hub takes for yes. */
const isTrue = (value: string | undefined): boolean =>
  ["1", "ON", "YES", "TRUE"].includes(value?.toUpperCase() ?? "");

function endpointOf(env: NodeJS.ProcessEnv): string {
  const text = (env.HF_ENDPOINT || DEFAULT_ENDPOINT).replace(/\/+$/, "");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  if (!isPlain || /\s/.test(text))
    throw usageError({
      what: "HF_ENDPOINT is not the address of a Hub",
      expected: `http:// or https:// with a host, such as ${DEFAULT_ENDPOINT}`,
      // Somebody may have put a password, or the token itself, into it.
      found: url ? `${url.protocol}//${url.host || "…"}` : "no URL",
    });
  return text;
}

function tokenOf(env: NodeJS.ProcessEnv, home: string): string | undefined {
  const named = env.HF_TOKEN ? "HF_TOKEN" : "HUGGING_FACE_HUB_TOKEN";
  const fromEnv = cleanToken(env[named], named);
  if (fromEnv) return fromEnv;
  const file = expanded(env.HF_TOKEN_PATH || join(home, "token"), env);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw systemError(error, file);
  }
  return cleanToken(text, file);
}

function cleanToken(text: string | undefined, place: string): string | undefined {
  const token = text?.trim();
  if (token && !TOKEN.test(token))
    throw usageError({
      what: `${place}: not an access token`,
      expected: "one word of printable ASCII",
      found: /\s/.test(token) ? "white space in the middle" : "other characters",
      next: "copy it again from the settings page of your account",
    });
  return token || undefined;
}

const homeOf = (env: NodeJS.ProcessEnv): string => env.HOME || homedir();

/** `~` at the beginning, `$NAME` and `${NAME}` anywhere; names that are not set stay as they are. */
function expanded(path: string, env: NodeJS.ProcessEnv): string {
  return path
    .replace(/^~(?=$|[/\\])/, () => homeOf(env))
    .replace(/\$(?:(\w+)|\{([^}]*)\})/g, (whole, plain, braced) => env[plain ?? braced] ?? whole);
}
