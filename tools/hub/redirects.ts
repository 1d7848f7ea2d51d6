import { MAX_REDIRECTS } from "../lib/limits.ts";
import type { ResponseHead } from "./http-client.ts";
import { RequestError, shownUrl } from "./request-error.ts";

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/**
 * Where an answer redirects to, or undefined where it does not. `passed` are the redirects before it. Refused are circles,
 * too many, ways out of https, and addresses of other hosts with the token in them: following one would hand it over.
 */
export function nextHop(
  head: ResponseHead,
  passed: readonly ResponseHead[],
  { token, origin }: { readonly token: string | undefined; readonly origin: string },
): URL | undefined {
  if (!REDIRECTS.includes(head.status) || head.headers.location === undefined) return undefined;
  const from = new URL(head.url);
  const refuse = (what: string, found?: string): never => {
    throw new RequestError(
      "unavailable",
      { file: shownUrl(from, token), what, ...(found && { found }) },
      { retryable: false, origin: from.origin },
    );
  };
  if (!URL.canParse(head.headers.location, from.href)) return refuse("a redirect to nowhere");
  const to = new URL(head.headers.location, from);
  if (!/^https?:$/.test(to.protocol)) return refuse("a redirect out of the web", to.protocol);
  if (from.protocol === "https:" && to.protocol === "http:")
    return refuse("a redirect from https to http", shownUrl(to, token));
  if (token && to.origin !== origin && to.href.includes(token))
    return refuse("a redirect that gives the token to another host", to.host);
  if ([...passed, head].some(({ url }) => url === to.href))
    return refuse("redirects in a circle", shownUrl(to, token));
  if (passed.length >= MAX_REDIRECTS) return refuse(`more than ${MAX_REDIRECTS} redirects`);
  return to;
}
