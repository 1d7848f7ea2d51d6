import { PROBE_BYTES } from "../lib/limits.ts";
import type { RangeFetcher } from "./fetch-range.ts";
import type { RemoteFile } from "./repository.ts";
import { retrying } from "./retry.ts";

/** Bytes per second over the beginning of the largest of some files; what comes is thrown away. */
export async function measureRate(
  fetchBytes: RangeFetcher,
  files: readonly { readonly file: RemoteFile }[],
  { jobs, signal }: { readonly jobs: number; readonly signal: AbortSignal },
): Promise<number | undefined> {
  const [largest] = files.map(({ file }) => file).sort((a, b) => b.byteLength - a.byteLength);
  const total = Math.min(largest?.byteLength ?? 0, PROBE_BYTES);
  if (total === 0) return undefined;
  const share = Math.ceil(total / jobs);
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: Math.ceil(total / share) }, (_, i) => {
      const range = { start: i * share, end: Math.min(total, (i + 1) * share), signal };
      return retrying(() => fetchBytes(largest, range, () => {}), { what: largest.name, signal });
    }),
  );
  return Math.round((1000 * total) / Math.max(1, performance.now() - startedMs));
}
