import { PROBE_BYTES, PROBE_MS } from "../lib/limits.ts";
import { fetchRange } from "./fetch-range.ts";
import type { HttpClient } from "./http-client.ts";
import type { Repository } from "./repository.ts";

/** Bytes per second of several connections over the beginning of the largest file; what comes is thrown away. */
export async function measureRate(
  client: HttpClient,
  { files }: Pick<Repository, "files">,
  connections: number,
): Promise<number | undefined> {
  const [largest] = [...files].sort((a, b) => b.byteLength - a.byteLength);
  const total = Math.min(largest?.byteLength ?? 0, PROBE_BYTES);
  if (total === 0) return undefined;
  const share = Math.ceil(total / connections);
  const signal = AbortSignal.timeout(PROBE_MS);
  const startedMs = performance.now();
  let received = 0;
  const parts = Array.from({ length: Math.ceil(total / share) }, async (_, i) => {
    const range = { start: i * share, end: Math.min(total, (i + 1) * share), signal };
    await fetchRange(client, largest, range, (bytes) => {
      received += bytes.length;
    }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  });
  await Promise.all(parts);
  return received > 0
    ? Math.round((1000 * received) / Math.max(1, performance.now() - startedMs))
    : undefined;
}
