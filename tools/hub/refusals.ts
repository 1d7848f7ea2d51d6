import type { ErrorKind, Fault } from "../lib/errors.ts";
import { RequestError, shownText, shownUrl } from "./request-error.ts";
import type { HubSettings } from "./settings.ts";

/** An answer that is no success. */
export interface Refusal {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The beginning of the body, without our token. */
  readonly text: string;
}

type Reading = readonly [kind: ErrorKind, what: string, next?: string];

interface Place {
  readonly isHub: boolean;
  readonly sentToken: boolean;
  /** `org/name` or `datasets/org/name` where the address has one. */
  readonly id?: string | undefined;
}

const CHECK_NAME = "check the spelling; a private repository needs HF_TOKEN";

/** What the Hub's own codes (`x-error-code`) mean; they are more exact than the status. */
const BY_CODE: Readonly<Record<string, (place: Place) => Reading>> = {
  GatedRepo: ({ id, sentToken }) => [
    "permission",
    sentToken
      ? "the repository is gated, and the account of this token may not read it yet"
      : "the repository is gated, and no token was sent",
    `accept the licence at https://huggingface.co/${id ?? ""}${sentToken ? "" : " and set HF_TOKEN to a token of that account"}`,
  ],
  RevisionNotFound: () => ["input", "no such revision", "name a branch, a tag or a commit of the repository"],
  EntryNotFound: () => ["input", "no such file in the repository"],
};

const BY_STATUS: Readonly<Record<number, (place: Place) => Reading>> = {
  401: ({ isHub, sentToken }) => {
    if (!isHub)
      return [
        "permission",
        "this host wants a login",
        "the token of the Hub is for the Hub alone; name a mirror that needs none",
      ];
    return sentToken
      ? [
          "permission",
          "the token was not accepted",
          "make a new one in the settings of your account and set HF_TOKEN",
        ]
      : ["permission", "no such repository, or one that needs a token; none was sent", CHECK_NAME];
  },
  402: () => ["permission", "the server wants to be paid", "look at the billing page of your account"],
  403: ({ isHub }) =>
    isHub
      ? ["permission", "not permitted", "check that the token may read this repository"]
      : ["permission", "not permitted"],
  404: ({ id }) => (id ? ["input", `no such repository: ${id}`, CHECK_NAME] : ["input", "nothing is there"]),
  408: () => ["temporary", "the server lost its patience"],
  410: () => ["input", "it is no longer there"],
  416: () => [
    "data",
    "the range lies outside the file",
    "it is not the file that was listed: run the same command again",
  ],
  425: () => ["temporary", "too early for the server"],
  429: () => ["temporary", "too many requests"],
  451: () => ["permission", "not available for legal reasons"],
};

/** The error for an answer that is no success. `sentToken`: whether the request carried ours. */
export function refusalError(refusal: Refusal, settings: HubSettings, sentToken: boolean): RequestError {
  const { url, status, headers } = refusal;
  const isHub = url.origin === new URL(settings.endpoint).origin;
  const id = isHub ? repositoryIn(url, settings.endpoint) : undefined;
  const place = { isHub, sentToken, id };
  const code = isHub ? headers["x-error-code"] : undefined;
  const reading =
    (code !== undefined && Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : BY_STATUS[status]) ??
    ((): Reading =>
      status >= 500
        ? ["temporary", "the server failed"]
        : ["unavailable", "an answer that makes no sense here"]);
  const [kind, what, next] = reading(place);
  const said = shownText(reasonIn(refusal), settings.token);
  const retryAfterMs = patienceOf(headers);
  const fault: Fault = {
    file: shownUrl(url, settings.token),
    what,
    found: said ? `${status}: ${said}` : String(status),
    ...(next && { next }),
  };
  return new RequestError(kind, fault, {
    retryable: kind === "temporary",
    status,
    origin: url.origin,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** What the server says of it: the Hub in a header, others in JSON; a page of HTML says nothing in one line. */
function reasonIn({ headers, text }: Refusal): string {
  if (headers["x-error-message"]) return headers["x-error-message"];
  if (/html/.test(headers["content-type"] ?? "") || text.startsWith("<")) return "";
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === "string") return error;
  } catch {}
  return text;
}

function repositoryIn(url: URL, endpoint: string): string | undefined {
  const path = url.pathname.slice(new URL(endpoint).pathname.replace(/\/$/, "").length);
  return (/^\/api\/(?:models\/|(?=datasets\/))((?:datasets\/)?[\w.-]+\/[\w.-]+)(?:\/|$)/.exec(path) ??
    /^\/((?:datasets\/)?[\w.-]+\/[\w.-]+)\/resolve\//.exec(path))?.[1];
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); else the Hub's `RateLimit: "api";r=0;t=55` when nothing is left. */
function patienceOf(headers: Readonly<Record<string, string>>): number | undefined {
  const text = headers["retry-after"]?.trim();
  if (text !== undefined) {
    const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - Date.now();
    if (!Number.isNaN(ms)) return Math.max(0, ms);
  }
  const [, left, seconds] = /;\s*r\s*=\s*(\d+)\s*;\s*t\s*=\s*(\d+)/.exec(headers.ratelimit ?? "") ?? [];
  return left === "0" ? 1000 * Number(seconds) : undefined;
}
