import { usageError } from "../../tools/lib/errors.ts";

/** How prompts are sent: messages that the server renders, our own rendering, or messages in Anthropic's form. */
export type Api = "chat" | "completions" | "messages";

export const API_PATHS: Readonly<Record<Api, string>> = {
  chat: "/chat/completions",
  completions: "/completions",
  messages: "/messages",
};

export interface EndpointUrl {
  /** Without a final slash and without the path of an API. */
  readonly base: string;
  /** The URL named the path of an API, so the base is what it says. */
  readonly exact: boolean;
  readonly host: string;
  /** The API that was asked for, or whose path the URL ended with. */
  readonly api?: Api;
  /** Kept behind every path, e.g. Azure's `?api-version=`. */
  readonly query: string;
}

/** Names of parameters that carry secrets; a URL ends up in shell histories, logs of proxies and records. */
const SECRET_PARAMETER = /key|token|secret|passw|auth|credential|signature|^sig$/i;

/** Reads `--endpoint`. The text itself is never repeated in an error: it may hold a key. */
export function parseEndpointUrl(text: string): EndpointUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw usageError({
      what: "--endpoint is no URL",
      expected: "an address such as http://localhost:8000/v1 or https://api.deepseek.com",
    });
  const secret = [...url.searchParams.keys()].find((name) => SECRET_PARAMETER.test(name));
  if (url.username || url.password || secret !== undefined)
    throw usageError({
      what: "--endpoint holds a key or a password",
      next: "take it out of the URL and give it with --api-key-env NAME or --api-key-file FILE",
    });
  const path = url.pathname.replace(/\/+$/, "");
  const api = (["chat", "messages", "completions"] as const).find((one) => path.endsWith(API_PATHS[one]));
  return {
    base: url.origin + (api ? path.slice(0, -API_PATHS[api].length) : path),
    exact: api !== undefined,
    host: url.host,
    query: url.search,
    ...(api && { api }),
  };
}

/**
 * The addresses that a URL may mean: people leave out `/v1`. It comes first, for llama.cpp has another API without it
 * under the same names.
 */
export function baseCandidates({ base, exact }: EndpointUrl): readonly string[] {
  return exact || /\/(v\d+|beta)$/.test(base) ? [base] : [`${base}/v1`, base];
}

/** Where a server keeps what is not part of the API: `/props` beside `/v1`, not below it. */
export const rootOf = (base: string): string => base.replace(/\/v\d+$/, "");

export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(host);
}
