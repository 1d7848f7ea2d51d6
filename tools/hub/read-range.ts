import { type ByteRange, fetchRange } from "./fetch-range.ts";
import type { HttpClient } from "./http-client.ts";
import type { RemoteFile } from "./repository.ts";
import { type RetryOptions, retrying } from "./retry.ts";

/** How a read is repeated. */
export type ReadOptions = Omit<RetryOptions, "what">;

/** Fetches a range, however many attempts it takes; what an attempt got before it failed is not asked for again. */
export async function readRange(
  client: HttpClient,
  file: RemoteFile,
  { start, end, ...retry }: Pick<ByteRange, "start" | "end"> & ReadOptions,
  onBytes: (bytes: Uint8Array, position: number) => void | Promise<void>,
): Promise<void> {
  const { signal } = retry;
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
    { ...retry, what: `reading ${file.name}` },
  );
}
