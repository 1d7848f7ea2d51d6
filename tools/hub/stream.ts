import { openNameless } from "../lib/disk.ts";
import type { PlannedRead } from "../lib/files.ts";
import { STREAM_GAP_BYTES, STREAM_UNIT_BYTES } from "../lib/limits.ts";
import type { HttpClient } from "./http-client.ts";
import { type ReadOptions, readRange } from "./read-range.ts";
import type { RemoteFile, Repository } from "./repository.ts";
import { planUnits, type UnitLimits } from "./stream-units.ts";
import { openWindow, type StreamWindow } from "./stream-window.ts";

export interface StreamOptions extends ReadOptions {
  /** Disk for what was fetched and is not used up, at most. */
  readonly windowBytes: number;
  readonly connections: number;
}

/**
 * Begins to fetch what will be read of a repository, ahead of the reads, into a window at `path`, which has no name there
 * and goes with the process. The client stays the caller's.
 */
export async function streamRepository(
  client: HttpClient,
  repository: Repository,
  {
    reads,
    path,
    windowBytes,
    connections,
    ...retry
  }: StreamOptions & { reads: AsyncIterable<PlannedRead>; path: string },
): Promise<StreamWindow> {
  const isListed = isAtHub(client, repository);
  const files = new Map(repository.files.map((file) => [file.name, asStreamed(file, isListed)]));
  const units = await planUnits(reads, unitLimits(windowBytes, connections));
  const totalBytes = units.reduce((sum, { start, end }) => sum + end - start, 0);
  return openWindow({
    units,
    windowBytes: Math.min(windowBytes, totalBytes),
    connections,
    scratch: await openNameless(path),
    fetch: (name, range, onBytes) => {
      const file = files.get(name);
      if (!file) throw new Error(`${name} is no file of ${repository.id}`);
      const signal = retry.signal ? AbortSignal.any([retry.signal, range.signal]) : range.signal;
      return readRange(client, file, { ...retry, ...range, signal }, onBytes);
    },
  });
}

/**
 * Of a file of the Hub each link is asked for by its listed hash. Of one anywhere else only its name tells versions
 * apart, and no hash will judge the whole: without one, ranges under two names are never mixed.
 */
function asStreamed(file: RemoteFile, isListed: boolean): RemoteFile {
  if (isListed) return file;
  const { name, byteLength, url } = file;
  return { name, byteLength, url };
}

/** Whether the Hub itself says which file every answer is of, and not a mirror or a plain server. */
export const isAtHub = ({ settings }: HttpClient, { id, files }: Repository): boolean =>
  files.every(({ url }) => url.startsWith(`${settings.endpoint}/${id}/resolve/`));

/** Every connection has a unit, and as many wait; half of the window is for what will be read again. */
function unitLimits(windowBytes: number, connections: number): UnitLimits {
  return {
    unitBytes: Math.max(1, Math.min(STREAM_UNIT_BYTES, Math.floor(windowBytes / (4 * connections)))),
    gapBytes: STREAM_GAP_BYTES,
    reachBytes: Math.min(4 * STREAM_UNIT_BYTES, windowBytes / 8),
    keptBytes: windowBytes / 2,
  };
}
