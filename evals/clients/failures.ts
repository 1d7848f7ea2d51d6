import { printable } from "../../tools/lib/errors.ts";

/**
 * What went wrong with one try, by what follows from it: `busy` slows us down and is tried again, `transport` and
 * `server` are tried again, `too_long` ends the sample, `denied` and `rejected` end the run.
 */
export type FailureKind = "busy" | "transport" | "server" | "too_long" | "denied" | "rejected";

export interface FailureFacts {
  readonly status?: number;
  readonly retryAfterMs?: number;
  readonly billedTokens?: number;
}

/** One try of a sample that gave no reply. */
export class TryFailure extends Error {
  readonly kind: FailureKind;
  readonly facts: FailureFacts;

  constructor(kind: FailureKind, message: string, facts: FailureFacts = {}) {
    super(printable(message, 300));
    this.name = "TryFailure";
    this.kind = kind;
    this.facts = facts;
  }
}

/** 529 is Anthropic's word for overloaded; 502 and 504 are a proxy's. */
const BUSY = [429, 503, 529];
const PASSING = [408, 409, 425, 502, 504];
const DENIED = [401, 402, 403];

const TOO_LONG =
  /context[ _-]?(length|window|size)|maximum (context|model) length|max_model_len|too many tokens|prompt is too long|exceed_context_size|longer than the (model|maximum)/i;

/** What an answer with an error status means. */
export function statusFailure(status: number, body: string, retryAfter: string | undefined): TryFailure {
  const { message, code } = errorOf(body);
  const line = `${status}${message ? `: ${message}` : ""}`;
  const retryAfterMs = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, Date.now());
  const facts = { status, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  if (DENIED.includes(status)) return new TryFailure("denied", line, facts);
  if (BUSY.includes(status)) return new TryFailure("busy", line, facts);
  if (PASSING.includes(status)) return new TryFailure("transport", line, facts);
  if (status === 413 || TOO_LONG.test(`${code} ${message}`)) return new TryFailure("too_long", line, facts);
  if (status >= 500) return new TryFailure("server", line, facts);
  return new TryFailure("rejected", line, facts);
}

/** An `error` object where a reply should be, in a stream that began with 200. */
export function errorObjectFailure(error: unknown): TryFailure {
  const { message, code, status } = describeError(error);
  const line = `error in the stream${code ? ` (${code})` : ""}: ${message || "without a message"}`;
  const known =
    status !== undefined ? statusFailure(status, JSON.stringify({ error }), undefined).kind : undefined;
  const named = /overloaded|rate_limit|unavailable/i.test(code) ? "busy" : "server";
  const kind = TOO_LONG.test(`${code} ${message}`) ? "too_long" : (known ?? named);
  return new TryFailure(kind, line, status === undefined ? {} : { status });
}

/** Seconds or a date, as milliseconds from `nowMs`; undefined for anything else. */
export function parseRetryAfter(text: string, nowMs: number): number | undefined {
  const seconds = Number(text);
  if (text.trim() !== "" && Number.isFinite(seconds)) return Math.max(0, 1000 * seconds);
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

function errorOf(body: string): { readonly message: string; readonly code: string } {
  try {
    const parsed: unknown = JSON.parse(body);
    return describeError((parsed as { error?: unknown } | null)?.error ?? parsed);
  } catch {
    return {
      message: body
        .replace(/<[^>]*>/g, " ")
        .replace(/\s+/g, " ")
        .trim(),
      code: "",
    };
  }
}

/** Servers write `{message, code}`, `{detail}`, `{type}` or a plain string. */
function describeError(error: unknown): { message: string; code: string; status?: number } {
  if (typeof error === "string") return { message: error, code: "" };
  if (typeof error !== "object" || error === null) return { message: "", code: "" };
  const { message, detail, code, type } = error as Readonly<Record<string, unknown>>;
  const said = message ?? detail;
  const status = Number(code);
  return {
    message: typeof said === "string" ? said : said === undefined ? "" : JSON.stringify(said),
    code: [type, code].filter((part) => typeof part === "string").join(" "),
    ...(Number.isInteger(status) && status >= 400 && status < 600 && { status }),
  };
}
