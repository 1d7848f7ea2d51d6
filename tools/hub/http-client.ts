import type { HubSettings } from "./settings.ts";

export interface RequestOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A server's answer after redirects. Its body must be read to the end or dropped. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The address that answered, after redirects. */
  readonly url: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the connection without reading the rest. */
  drop(): Promise<void>;
}

export interface HttpClient {
  readonly settings: HubSettings;
  request(url: string, options?: RequestOptions): Promise<HttpResponse>;
  /** The same as a `fetch`, for @huggingface/hub. */
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

export function openHttpClient(
  _settings: HubSettings,
  _options: { readonly stallMs?: number } = {},
): HttpClient {
  throw new Error("not yet");
}
