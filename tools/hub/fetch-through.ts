import { ReadableStream } from "node:stream/web";
import type { HttpClient } from "./http-client.ts";

/** A `fetch` over our own requests, for libraries. It only reads; a refusal is thrown, never returned. */
export function fetchThrough(request: HttpClient["request"]): typeof fetch {
  return async (input, init) => {
    const { url, method, headers, signal } = new Request(input, init);
    if (method !== "GET" && method !== "HEAD") throw new TypeError(`this client only reads, no ${method}`);
    const answer = await request(url, { method, headers: Object.fromEntries(headers), signal });
    const isEmpty = method === "HEAD" || answer.status === 204 || answer.status === 205;
    if (isEmpty) await answer.drop();
    const response = new Response(isEmpty ? null : ReadableStream.from(answer.body), {
      status: answer.status,
      headers: answer.headers,
    });
    return Object.defineProperty(response, "url", { value: answer.url });
  };
}
