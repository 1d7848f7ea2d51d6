import { fileURLToPath } from "node:url";
import { dataError } from "../lib/errors.ts";
import { openForReading } from "../lib/files.ts";
import { LOCAL_CHUNK_BYTES } from "../lib/limits.ts";
import { checkIdentity } from "./file-identity.ts";
import type { HttpClient, HttpResponse } from "./http-client.ts";
import type { RemoteFile } from "./repository.ts";
import { RequestError, shownText, shownUrl, wrongAnswer } from "./request-error.ts";
import { askForRange, forgetLink } from "./signed-links.ts";

export interface ByteRange {
  readonly start: number;
  readonly end: number;
  readonly signal?: AbortSignal;
}

/** Takes bytes that belong at `position`; the view is the receiver's to keep. */
export type BytesSink = (bytes: Uint8Array, position: number) => void | Promise<void>;

/** One attempt to get a range of a file, wherever its bytes come from. */
export type RangeFetcher = (file: RemoteFile, range: ByteRange, onBytes: BytesSink) => Promise<void>;

/** Ranges of files as they lie at the Hub, a mirror or in a folder. */
export const rangesOf =
  (client: HttpClient): RangeFetcher =>
  (file, range, onBytes) =>
    fetchRange(client, file, range, onBytes);

/**
 * One attempt to get the bytes [start, end) of a file, in order. Whatever is not exactly that range of that file is
 * refused before its bytes are handed on; bytes handed on before a cut or stall are good. No more is read while `onBytes`
 * has not settled. Errors: a RequestError that says whether another attempt may help; the signal's reason after an abort.
 */
export async function fetchRange(
  client: HttpClient,
  file: RemoteFile,
  range: ByteRange,
  onBytes: BytesSink,
): Promise<void> {
  const { start, end } = range;
  if (!(start >= 0 && start <= end && end <= file.byteLength))
    throw new RangeError(`bytes ${start} to ${end} of ${file.byteLength}`);
  if (start === end) return;
  if (file.url.startsWith("file:")) return readLocalRange(file, range, onBytes);
  const answer = await askForRange(client, file, range);
  try {
    checkIdentity(client, file, answer);
    checkRange(answer, file, { ...range, token: client.settings.token });
  } catch (error) {
    forgetLink(client, file);
    await answer.drop();
    throw error;
  }
  await passOn(answer, file, range, onBytes);
}

async function passOn(
  answer: HttpResponse,
  file: RemoteFile,
  { start, end }: ByteRange,
  onBytes: BytesSink,
): Promise<void> {
  // Of a whole file only the beginning may be wanted.
  const mayBeLonger = answer.status === 200 && end < file.byteLength;
  let position = start;
  for await (const bytes of answer.body) {
    const left = end - position;
    if (bytes.length > left && !mayBeLonger)
      throw wrongAnswer({
        what: "the server sent more bytes than asked for",
        file: file.name,
        expected: `${end - start}`,
        found: `at least ${position - start + bytes.length}`,
      });
    const pending = onBytes(bytes.length > left ? bytes.subarray(0, left) : bytes, position);
    if (pending) await pending;
    position += Math.min(bytes.length, left);
    if (mayBeLonger && position === end) break;
  }
  if (position < end)
    throw new RequestError(
      "temporary",
      {
        what: "the answer ended too early",
        file: file.name,
        expected: `${end - start} bytes`,
        found: `${position - start}`,
      },
      { retryable: true },
    );
}

function checkRange(
  { status, headers, url }: HttpResponse,
  file: RemoteFile,
  { start, end, token }: ByteRange & { readonly token: string | undefined },
): void {
  const wrong = (what: string, expected: string, found: string | undefined): never => {
    throw wrongAnswer({
      what: `${what}, from ${shownUrl(new URL(url).origin, token)}`,
      file: file.name,
      expected,
      found: found === undefined ? "none" : shownText(found, token, 80),
    });
  };
  // A server may ignore a range; what it then sends is of use where the range is at the beginning.
  if (status !== 206 && !(status === 200 && start === 0))
    wrong("not the range that was asked for", "status 206", `status ${status}`);
  if (status === 206) {
    const text = headers["content-range"];
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text ?? "") ?? [];
    const isAsked = Number(first) === start && Number(last) === end - 1;
    if (!isAsked || (total !== "*" && Number(total) !== file.byteLength))
      wrong("another range", `bytes ${start}-${end - 1}/${file.byteLength}`, text);
  }
  const length = headers["content-length"];
  const expected = status === 206 ? end - start : file.byteLength;
  if (length !== undefined && Number(length) !== expected) wrong("another length", `${expected}`, length);
}

async function readLocalRange(
  { url, byteLength }: RemoteFile,
  { start, end, signal }: ByteRange,
  onBytes: BytesSink,
): Promise<void> {
  const file = await openForReading(fileURLToPath(url));
  try {
    if (file.byteLength !== byteLength)
      throw dataError({
        what: "the file changed since it was listed",
        file: file.path,
        expected: `${byteLength} bytes`,
        found: `${file.byteLength}`,
      });
    for (let position = start; position < end; position += LOCAL_CHUNK_BYTES) {
      signal?.throwIfAborted();
      const bytes = Buffer.allocUnsafe(Math.min(LOCAL_CHUNK_BYTES, end - position));
      await file.read(bytes, position);
      await onBytes(bytes, position);
    }
  } finally {
    await file.close();
  }
}
