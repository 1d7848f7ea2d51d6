import { createParser } from "eventsource-parser";
import { MAX_ANSWER_BYTES, MAX_EVENT_CHARS } from "../../tools/lib/limits.ts";
import { TryFailure } from "./failures.ts";

export interface StreamEvent {
  readonly name?: string;
  readonly data: string;
}

/** Text of chunks of UTF-8; a character may be cut anywhere, and bytes that are no UTF-8 are refused. */
async function* decoded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const refused = (error: unknown): never => {
    if (error instanceof TypeError) throw new TryFailure("transport", "the answer is not UTF-8");
    throw error;
  };
  for await (const chunk of chunks) {
    let text = "";
    try {
      text = decoder.decode(chunk, { stream: true });
    } catch (error) {
      refused(error);
    }
    yield text;
  }
  let rest = "";
  try {
    rest = decoder.decode();
  } catch (error) {
    refused(error);
  }
  yield rest;
}

/**
 * Events of a server-sent stream. A server that ignores `stream: true` answers with one JSON document, with blank lines
 * before it while it computes: that is one event, whatever its content type says.
 */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const events: StreamEvent[] = [];
  let tooLong = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARS,
    onEvent: ({ event, data }) => events.push({ data, ...(event !== undefined && { name: event }) }),
    onError: ({ type }) => {
      tooLong ||= type === "max-buffer-size-exceeded";
    },
  });
  let document: string | undefined;
  let begun = false;
  for await (const text of decoded(chunks)) {
    const first = begun ? text : text.trimStart();
    if (!begun && first === "") continue;
    if (!begun && first.startsWith("{")) document = "";
    begun = true;
    if (document !== undefined) {
      document += first;
      if (document.length > MAX_ANSWER_BYTES) throw new TryFailure("transport", "the answer is endless");
      continue;
    }
    parser.feed(first);
    if (tooLong) throw new TryFailure("transport", "an event of the stream is endless");
    yield* events.splice(0);
  }
  if (document !== undefined) yield { data: document };
  else {
    // The last event may lack its blank line.
    parser.feed("\n\n");
    yield* events.splice(0);
  }
}

/** A small answer as text. Bytes that are no UTF-8 are shown as such: this is for lists and errors. */
export async function readText(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes = MAX_ANSWER_BYTES,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    byteLength += chunk.length;
    if (byteLength > maxBytes) break;
  }
  return new TextDecoder().decode(Buffer.concat(parts).subarray(0, maxBytes));
}
