import type { HttpClient, HttpResponse, ResponseHead } from "./http-client.ts";
import type { RemoteFile } from "./repository.ts";
import { RequestError, shownText, wrongAnswer } from "./request-error.ts";

/** Of every client: what each host calls the bytes of each file (`ETag`, else `Last-Modified`). */
const VALIDATORS = new WeakMap<HttpClient, Map<string, string>>();

/**
 * Checks that an answer is of the file that was listed. The Hub says so where it redirects (`X-Linked-Etag`,
 * `X-Linked-Size`, `X-Repo-Commit`) or where it serves a small file itself (`ETag`, the git hash). What storage and plain
 * servers call it is another name, which must only stay the same from range to range. Errors: a RequestError (65).
 */
export function checkIdentity(client: HttpClient, file: RemoteFile, answer: HttpResponse): void {
  const { origin } = new URL(file.url);
  for (const head of [...answer.redirects, answer])
    if (new URL(head.url).origin === origin) checkStatements(file, head, client.settings.token);
  checkConstancy(client, file, answer);
}

function checkStatements(file: RemoteFile, { headers }: ResponseHead, token: string | undefined): void {
  const differs = (what: string, expected: string | undefined, found: string | undefined): void => {
    if (expected === undefined || found === undefined || expected === found) return;
    throw wrongAnswer({
      what: `the Hub speaks of another file: its ${what} differs from the listing`,
      file: file.name,
      expected,
      found: shownText(found, token, 80),
      next: "it was replaced while it was being read: run the same command again",
    });
  };
  const linked = headers["x-linked-etag"];
  const listed = file.sha256 ?? file.gitSha1;
  const isHub = headers["x-repo-commit"] !== undefined;
  // Without a redirect to storage the Hub's own ETag is the git hash.
  const stated =
    linked ?? (isHub && !file.sha256 && headers.location === undefined ? headers.etag : undefined);
  differs("hash", listed, stated && bareEtag(stated));
  differs("size", String(file.byteLength), headers["x-linked-size"]);
  differs("commit", /\/resolve\/([0-9a-f]{40})\//.exec(file.url)?.[1], headers["x-repo-commit"]);
}

function checkConstancy(client: HttpClient, file: RemoteFile, { url, headers }: HttpResponse): void {
  const validator = headers.etag ?? headers["last-modified"];
  if (validator === undefined) return;
  const validators = VALIDATORS.get(client) ?? new Map<string, string>();
  VALIDATORS.set(client, validators);
  const key = `${new URL(url).origin} ${file.url}`;
  const before = validators.get(key);
  const { token } = client.settings;
  if (before === undefined || before === validator) {
    validators.set(key, validator);
    return;
  }
  const fault = {
    what: "the file changed between two ranges",
    file: file.name,
    expected: `ETag ${shownText(before, token, 80)}`,
    found: shownText(validator, token, 80),
    next: "run the same command again, from the beginning",
  };
  // Where no hash will judge the whole file, nothing may be mixed, and asking again does not undo the change.
  if ((file.sha256 ?? file.gitSha1) === undefined)
    throw new RequestError("data", fault, { retryable: false });
  validators.delete(key);
  throw wrongAnswer(fault);
}

const bareEtag = (etag: string): string => etag.replace(/^W\//, "").replaceAll('"', "");
