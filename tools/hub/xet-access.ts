import { MAX_REFUSAL_BYTES } from "../lib/limits.ts";
import type { HttpClient } from "./http-client.ts";
import { readWhole } from "./metadata-fetch.ts";
import type { Repository } from "./repository.ts";
import { RequestError, shownText, shownUrl, wrongAnswer } from "./request-error.ts";
import { typedId } from "./source-names.ts";

/** What the Hub gives for reading the chunk storage: where it is, and a token that is for it alone. */
export interface XetGrant {
  /** Without a slash at its end. */
  readonly casUrl: string;
  readonly token: string;
  readonly expiresMs: number;
}

export interface XetAccess {
  readonly refreshUrl: URL;
  /** The grant that serves now; asks the Hub where there is none or its time is nearly over. Errors: those of a request. */
  grant(): Promise<XetGrant>;
  /** Drops a grant that the storage refused, whatever our clock says. */
  forget(grant: XetGrant): void;
}

/** A grant is not used in its last minute: an answer may take as long. */
const MARGIN_MS = 60_000;

export function openXetAccess(client: HttpClient, { id, commit }: Repository): XetAccess {
  const { endpoint, token: hubToken } = client.settings;
  const refreshUrl = new URL(`${endpoint}/api/${typedId(id)}/xet-read-token/${commit}`);
  let asking: Promise<XetGrant> | undefined;
  let current: XetGrant | undefined;

  const ask = async (): Promise<XetGrant> => {
    const answer = await client.request(refreshUrl.href, { headers: { accept: "application/json" } });
    const text = new TextDecoder().decode(await readWhole(answer, MAX_REFUSAL_BYTES, hubToken));
    const grant = grantIn(text, refreshUrl);
    // The text has a token in it, so it is not shown.
    if (!grant)
      throw wrongAnswer({
        what: "no access to the chunk storage: the answer is not what the Hub's interface gives",
        file: shownUrl(refreshUrl, hubToken),
        expected: `accessToken, exp and an address of ${refreshUrl.protocol}// in casUrl`,
      });
    return grant;
  };

  return {
    refreshUrl,
    async grant() {
      if (current && Date.now() < current.expiresMs - MARGIN_MS) return current;
      // All connections wait for one answer; whoever stops waiting leaves it to the others.
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      current = await asking;
      return current;
    },
    forget(grant) {
      if (current === grant) current = undefined;
    },
  };
}

function grantIn(text: string, refreshUrl: URL): XetGrant | undefined {
  try {
    const { accessToken, casUrl, exp } = JSON.parse(text) as Record<string, unknown>;
    if (typeof accessToken !== "string" || !/^[\x21-\x7e]+$/.test(accessToken)) return undefined;
    if (typeof casUrl !== "string" || !isAsSafe(casUrl, refreshUrl)) return undefined;
    if (typeof exp !== "number" || !Number.isFinite(exp)) return undefined;
    return { token: accessToken, casUrl: casUrl.replace(/\/+$/, ""), expiresMs: 1000 * exp };
  } catch {
    return undefined;
  }
}

/** Whether an address may be asked: nothing leads from https to http. */
export const isAsSafe = (address: string, than: URL): boolean =>
  URL.canParse(address) &&
  (new URL(address).protocol === "https:" || new URL(address).protocol === than.protocol);

/** An error of the storage without the storage's token: what a server says may repeat what it was sent. */
export function withoutToken(error: RequestError, { token }: XetGrant): RequestError {
  const hidden = Object.fromEntries(
    Object.entries(error.fault).map(([key, text]) => [
      key,
      typeof text === "string" ? shownText(text, token, 600) : text,
    ]),
  );
  return new RequestError(error.kind, { ...error.fault, ...hidden }, error.facts);
}
