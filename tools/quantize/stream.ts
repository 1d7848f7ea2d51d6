import type { TensorSource } from "../checkpoint/source.ts";
import type { PlannedRead } from "../lib/files.ts";
import { readSchedule, type ScheduleOptions } from "./read-schedule.ts";

/** A source that is read from elsewhere, ahead of the conversion, and never lies here as a whole. */
export interface Streaming {
  readonly from: "hub" | "other";
  /** Disk for what was fetched and is not converted yet, at most. */
  readonly windowBytes: number;
  /** Begins to fetch; `path` is where the window may lie. */
  open(reads: AsyncIterable<PlannedRead>, path: string): Promise<StreamReader>;
}

export interface StreamReader {
  read(name: string, into: Uint8Array, position: number): Promise<void>;
  facts(): StreamFacts;
  close(): Promise<void>;
}

export interface StreamFacts {
  readonly fetchedBytes: number;
  readonly fetches: number;
  /** Fetches that were not made ahead. */
  readonly directFetches: number;
  /** Of the window. */
  readonly peakBytes: number;
}

/** A source to convert from, and what was fetched for it. */
export interface OpenStream {
  readonly source: TensorSource;
  facts(): StreamFacts | undefined;
  close(): Promise<void>;
}

/** The source itself, or a view of it whose tensors come through a window. */
export async function openStream(
  streaming: Streaming | undefined,
  path: string,
  schedule: ScheduleOptions,
): Promise<OpenStream> {
  const { source } = schedule;
  if (!streaming) return { source, facts: () => undefined, close: async () => {} };
  const reader = await streaming.open(readSchedule(schedule), path);
  return {
    source: {
      ...source,
      read(tensor, byteOffset, into) {
        const { name, position } = source.placeOf(tensor, byteOffset);
        return reader.read(name, into, position);
      },
    },
    facts: reader.facts,
    close: reader.close,
  };
}
