import type { HttpClient } from "./http-client.ts";
import type { RemoteFile } from "./repository.ts";

export interface ByteRange {
  readonly start: number;
  readonly end: number;
  readonly signal?: AbortSignal;
}

/** Takes bytes that belong at `position`; the view is the receiver's. */
export type BytesSink = (bytes: Uint8Array, position: number) => void | Promise<void>;

export async function fetchRange(
  _client: HttpClient,
  _file: RemoteFile,
  _range: ByteRange,
  _onBytes: BytesSink,
): Promise<void> {
  throw new Error("not yet");
}
