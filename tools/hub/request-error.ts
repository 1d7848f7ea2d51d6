import { type ErrorKind, type Fault, printable, V4Error } from "../lib/errors.ts";

export interface RequestFacts {
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** What the server asked for. */
  readonly retryAfterMs?: number;
  readonly status?: number;
  /** Who answered. */
  readonly origin?: string;
}

/** A request that failed: the line for the user, and what whoever repeats it needs to know. */
export class RequestError extends V4Error {
  readonly facts: RequestFacts;

  constructor(
    kind: ErrorKind,
    fault: Fault,
    { cause, ...facts }: RequestFacts & { readonly cause?: unknown },
  ) {
    super(kind, fault, cause);
    this.facts = facts;
  }
}

/** A server's answer that is not what was asked for; asking again may help, and the artefact stays right either way. */
export const wrongAnswer = (fault: Fault): RequestError =>
  new RequestError("data", fault, { retryable: true });

/** Text of a server as it may be shown: without our token, printable, short. */
export function shownText(text: string, token: string | undefined, limit = 200): string {
  const hidden = token
    ? text.replaceAll(token, "[token]").replaceAll(encodeURIComponent(token), "[token]")
    : text;
  return printable(hidden.replace(/\s+/g, " ").trim(), limit);
}

/** An address as it may be shown: a query may be a signature, a name before the host a password. */
export function shownUrl(url: URL | string, token: string | undefined): string {
  const { protocol, host, pathname } = new URL(url);
  return shownText(`${protocol}//${host}${pathname}`, token, 300);
}
