import { type ByteRange, fetchRange } from "./fetch-range.ts";
import type { HttpClient } from "./http-client.ts";
import type { RemoteFile } from "./repository.ts";
import { retrying } from "./retry.ts";

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Gets one line for every attempt that failed and is repeated. */
  readonly onRetry?: ((line: string) => void) | undefined;
}

/** Fetches a range, however many attempts it takes; what an attempt got before it failed is not asked for again. */
export async function readRange(
  client: HttpClient,
  file: RemoteFile,
  { start, end, signal, onRetry }: Omit<ByteRange, "signal"> & ReadOptions,
  onBytes: (bytes: Uint8Array, position: number) => void | Promise<void>,
): Promise<void> {
  let at = start;
  await retrying(
    async (progressed) => {
      if (at === end) return;
      await fetchRange(
        client,
        file,
        { start: at, end, ...(signal && { signal }) },
        async (bytes, position) => {
          await onBytes(bytes, position);
          at = position + bytes.length;
          progressed();
        },
      );
    },
    { what: file.url, ...(signal && { signal }), ...(onRetry && { onRetry }) },
  );
}
