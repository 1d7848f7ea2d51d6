import type { Argv } from "yargs";
import { usageError } from "../lib/errors.ts";
import { MAX_CONNECTIONS, MIN_STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "../lib/limits.ts";
import { formatBytes, parseBytes } from "../lib/units.ts";

/** Flags about the way from the Hub to a conversion. */
export interface StreamArgs {
  jobs: number;
  window: string | undefined;
}

export const withStream = <T>(yargs: Argv<T>): Argv<T & StreamArgs> =>
  yargs
    .option("jobs", {
      type: "number",
      default: 8,
      describe: "connections at the same time, of a download or a stream",
    })
    .option("window", {
      type: "string",
      describe: `disk that --stream may take (default: ${formatBytes(STREAM_WINDOW_BYTES)})`,
    })
    .nargs({ jobs: 1, window: 1 }) as unknown as Argv<T & StreamArgs>;

export function connectionsOf({ jobs }: StreamArgs): number {
  if (Number.isInteger(jobs) && jobs >= 1 && jobs <= MAX_CONNECTIONS) return jobs;
  throw usageError({ what: "--jobs", expected: `1 to ${MAX_CONNECTIONS}`, found: String(jobs) });
}

export function windowBytesOf({ window }: StreamArgs): number {
  if (window === undefined) return STREAM_WINDOW_BYTES;
  const bytes = parseBytes(window, "--window");
  if (bytes >= MIN_STREAM_WINDOW_BYTES) return bytes;
  throw usageError({
    what: "--window is too small",
    expected: `at least ${formatBytes(MIN_STREAM_WINDOW_BYTES)}`,
    found: window,
  });
}
