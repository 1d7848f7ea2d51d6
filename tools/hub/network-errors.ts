import type { ErrorKind } from "../lib/errors.ts";
import { RequestError, shownText, shownUrl } from "./request-error.ts";

interface Reading {
  readonly kind: ErrorKind;
  readonly what: string;
  readonly retryable: boolean;
  readonly next?: string;
}

const cut: Reading = { kind: "temporary", what: "the connection was cut", retryable: true };
const unknownHost: Reading = {
  kind: "unavailable",
  what: "no address for this host",
  retryable: true,
  next: "check the network, HF_ENDPOINT and the proxy",
};
const unreachable: Reading = {
  kind: "unavailable",
  what: "the host cannot be reached",
  retryable: true,
  next: "check the network and the proxy",
};
const garbled: Reading = { kind: "temporary", what: "the answer is not HTTP", retryable: true };
/** Said with and without a tunnel, under codes that mean other things as well. */
const passwordWanted: Reading = {
  kind: "permission",
  what: "the proxy wants a password",
  retryable: false,
  next: "put it into the proxy's address",
};
const untrusted: Reading = {
  kind: "unavailable",
  what: "the host's certificate is not trusted",
  retryable: false,
  next: "check the clock and the address; NODE_EXTRA_CA_CERTS=FILE adds the authority of a company's proxy",
};

/** Codes of Node, OpenSSL and undici; a name that ends with * stands for all that begin so. */
const READINGS: Readonly<Record<string, Reading>> = {
  ECONNREFUSED: {
    kind: "unavailable",
    what: "the connection was refused",
    retryable: true,
    next: "check HF_ENDPOINT and the proxy",
  },
  ENOTFOUND: unknownHost,
  EAI_AGAIN: unknownHost,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  EHOSTDOWN: unreachable,
  ECONNRESET: cut,
  ECONNABORTED: cut,
  EPIPE: cut,
  UND_ERR_SOCKET: cut,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: cut,
  ETIMEDOUT: { kind: "temporary", what: "the connection timed out", retryable: true },
  UND_ERR_CONNECT_TIMEOUT: { kind: "temporary", what: "the connection timed out", retryable: true },
  UND_ERR_HEADERS_TIMEOUT: { kind: "temporary", what: "no answer in time", retryable: true },
  UND_ERR_BODY_TIMEOUT: { kind: "temporary", what: "the answer stalled", retryable: true },
  // What a proxy says to CONNECT.
  UND_ERR_ABORTED: {
    kind: "unavailable",
    what: "the proxy refused to connect",
    retryable: true,
    next: "check HTTPS_PROXY and NO_PROXY",
  },
  UND_ERR_HEADERS_OVERFLOW: garbled,
  "HPE_*": garbled,
  HTTPParserError: garbled,
  "CERT_*": untrusted,
  "UNABLE_TO_*": untrusted,
  "DEPTH_ZERO_*": untrusted,
  "SELF_SIGNED_*": untrusted,
  "ERR_TLS_CERT_*": untrusted,
  UND_ERR_PRX_TLS: untrusted,
  "ERR_TLS_*": { kind: "unavailable", what: "no common TLS", retryable: false },
  "ERR_SSL_*": { kind: "unavailable", what: "the host does not speak TLS here", retryable: false },
  EPROTO: { kind: "unavailable", what: "the host does not speak TLS here", retryable: false },
};

/** An error of the network as one line of ours; anything else (a bug, an abort) is returned as it is. */
export function networkError(error: unknown, url: URL, token: string | undefined): unknown {
  if (!(error instanceof Error) || error instanceof RequestError) return error;
  const { code = error.name } = error as { readonly code?: unknown };
  if (typeof code !== "string") return error;
  const reading = /^Proxy.*\(407\)/.test(error.message)
    ? passwordWanted
    : Object.entries(READINGS).find(([name]) =>
        name.endsWith("*") ? code.startsWith(name.slice(0, -1)) : code === name,
      )?.[1];
  if (!reading) return error;
  const { kind, what, retryable, next } = reading;
  return new RequestError(
    kind,
    {
      file: shownUrl(url, token),
      what,
      found: shownText(/^[A-Z_]+$/.test(code) && !code.startsWith("UND_") ? code : error.message, token),
      ...(next && { next }),
    },
    { retryable, origin: url.origin, cause: error },
  );
}
